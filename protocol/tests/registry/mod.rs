//! Which type each golden file belongs to, and how it is checked.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tidewire_protocol::{
    AppState, BanPage, BanRequest, BlockList, BlockQuery, Body, Bootstrap, ClientFrame, Cursor,
    Epoch, ErrorBody, Event, EventsQuery, FileAccess, History, HistoryQuery, MemberPage, Mode,
    MutePage, MuteRequest, NewAccount, NewMembers, NewRoom, NewSession, OpsRequest, Page,
    PasswordChange, PeerPresence, Policy, Profile, ProfileUpdate, Profiles, ProfilesRequest,
    Receipt, ReceiptPage, RefreshRequest, Report, ReportPage, ReportReason, ReportRequest,
    ReportTaken, ReportsQuery, RoleUpdate, RoomPage, RoomState, RoomUpdate, SearchRequest,
    SearchResults, Sent, ServerFrame, SessionTokens, Sessions, SettingsUpdate, SlowMode,
    SyncRequest, SyncResponse, Upload, UploadRequest,
};

/// Checks the text of the golden file of this name; panics when it does not hold.
pub(crate) type Check = fn(&str, &str);

/// Every golden file and its check.
pub(crate) const REGISTRY: &[(&str, Check)] = &[
    ("app_state.all", json::<Vec<AppState>>),
    ("call.account.request", json::<NewAccount>),
    ("call.account.request.least", json::<NewAccount>),
    ("call.account.response", json::<Profile>),
    ("call.ban.request", json::<BanRequest>),
    ("call.ban.request.silent", json::<BanRequest>),
    ("call.bans.response", json::<BanPage>),
    ("call.block.query", json::<BlockQuery>),
    ("call.block.query.least", json::<BlockQuery>),
    ("call.blocks.response", json::<BlockList>),
    ("call.blocks.response.none", json::<BlockList>),
    ("call.bootstrap.response", json::<Bootstrap>),
    ("call.bootstrap.response.blocks", json::<Bootstrap>),
    ("call.bootstrap.response.least", json::<Bootstrap>),
    ("call.events.query", json::<EventsQuery>),
    ("call.events.query.watch", json::<EventsQuery>),
    ("call.file.response", json::<FileAccess>),
    ("call.file.response.cdn", json::<FileAccess>),
    ("call.history.query", json::<HistoryQuery>),
    ("call.history.query.after", json::<HistoryQuery>),
    ("call.history.query.around", json::<HistoryQuery>),
    ("call.history.query.newest", json::<HistoryQuery>),
    ("call.history.query.thread", json::<HistoryQuery>),
    ("call.history.response", json::<History>),
    ("call.history.response.empty", json::<History>),
    ("call.history.response.folded", json::<History>),
    ("call.history.response.thread", json::<History>),
    ("call.members.response", json::<MemberPage>),
    ("call.members.response.muted", json::<MemberPage>),
    ("call.message.response", json::<History>),
    ("call.mute.request", json::<MuteRequest>),
    ("call.mute.request.least", json::<MuteRequest>),
    ("call.mutes.response", json::<MutePage>),
    ("call.new_members.request", json::<NewMembers>),
    ("call.new_room.request", json::<NewRoom>),
    ("call.new_room.request.direct", json::<NewRoom>),
    ("call.new_room.response", json::<RoomState>),
    ("call.new_room.response.direct", json::<RoomState>),
    ("call.ops.request", json::<OpsRequest>),
    ("call.ops.request.mutations", json::<OpsRequest>),
    ("call.ops.response", json::<Sent>),
    ("call.ops.response.mutations", json::<Sent>),
    ("call.ops.response.order", json::<Sent>),
    ("call.ops.response.refused", json::<Sent>),
    ("call.ops.response.unknown_upload", json::<Sent>),
    ("call.password.request", json::<PasswordChange>),
    ("call.profile.request", json::<ProfileUpdate>),
    ("call.profile.request.clear", json::<ProfileUpdate>),
    ("call.profile.response", json::<Profile>),
    ("call.profiles.request", json::<ProfilesRequest>),
    ("call.profiles.response", json::<Profiles>),
    ("call.receipts.response", json::<ReceiptPage>),
    ("call.refresh.request", json::<RefreshRequest>),
    ("call.report.request", json::<ReportRequest>),
    ("call.report.request.user", json::<ReportRequest>),
    ("call.report.response", json::<ReportTaken>),
    ("call.reports.query", json::<ReportsQuery>),
    ("call.reports.query.least", json::<ReportsQuery>),
    ("call.reports.response", json::<ReportPage>),
    ("call.resolve.response", json::<Report>),
    ("call.role.request", json::<RoleUpdate>),
    ("call.room.response", json::<RoomState>),
    ("call.room_update.request", json::<RoomUpdate>),
    ("call.room_update.request.clear", json::<RoomUpdate>),
    ("call.rooms.response", json::<RoomPage>),
    ("call.rooms.response.more", json::<RoomPage>),
    ("call.search.query", json::<SearchRequest>),
    ("call.search.query.least", json::<SearchRequest>),
    ("call.search.response", json::<SearchResults>),
    ("call.search.response.indexing", json::<SearchResults>),
    ("call.session.request", json::<NewSession>),
    ("call.session.request.least", json::<NewSession>),
    ("call.session.response", json::<SessionTokens>),
    ("call.sessions.response", json::<Sessions>),
    ("call.settings.request", json::<SettingsUpdate>),
    ("call.settings.request.clear", json::<SettingsUpdate>),
    ("call.settings.response", json::<SettingsUpdate>),
    ("call.settings.response.late", json::<SettingsUpdate>),
    ("call.slow_mode.request", json::<SlowMode>),
    ("call.slow_mode.request.off", json::<SlowMode>),
    ("call.sync.request", json::<SyncRequest>),
    ("call.sync.request.least", json::<SyncRequest>),
    ("call.sync.request.receipts", json::<SyncRequest>),
    ("call.sync.request.watch", json::<SyncRequest>),
    ("call.sync.request.wait", json::<SyncRequest>),
    ("call.sync.response", json::<SyncResponse>),
    ("call.sync.response.ephemeral", json::<SyncResponse>),
    ("call.sync.response.receipts", json::<SyncResponse>),
    ("call.sync.response.quiet", json::<SyncResponse>),
    ("call.sync.response.refused", json::<SyncResponse>),
    ("call.upload.request", json::<UploadRequest>),
    ("call.upload.response", json::<Upload>),
    ("call.upload.response.complete", json::<Upload>),
    ("call.upload.response.resumed", json::<Upload>),
    ("cursor", json::<Cursor>),
    ("epoch", json::<Epoch>),
    ("error.body", json::<ErrorBody>),
    ("error.body.incomplete", json::<ErrorBody>),
    ("error.body.blocked", json::<ErrorBody>),
    ("error.body.muted", json::<ErrorBody>),
    ("error.body.slot", json::<ErrorBody>),
    ("error.body.too_large", json::<ErrorBody>),
    ("error.body.unknown_code", json::<ErrorBody>),
    // A table, not a type: what it must say is checked beside the list of codes.
    ("error.body.credentials", json::<ErrorBody>),
    ("error.codes", json::<Vec<BTreeMap<String, Value>>>),
    ("event.delete", typed_event),
    ("event.edit", typed_event),
    ("event.member_banned", typed_event),
    ("event.member_joined", typed_event),
    ("event.member_left", typed_event),
    ("event.member_role", typed_event),
    ("event.member_role.moderator", typed_event),
    ("event.member_muted", typed_event),
    ("event.member_muted.for_good", typed_event),
    ("event.member_unbanned", typed_event),
    ("event.member_unmuted", typed_event),
    ("event.message", typed_event),
    ("event.message.attachments", typed_event),
    ("event.message.attachments.only", typed_event),
    // What was deleted has no text, and so not the shape of a message: its fold says what it is.
    ("event.message.deleted", json::<Event>),
    ("event.message.deleted.thread", json::<Event>),
    ("event.message.folded", typed_event),
    ("event.message.mentions", typed_event),
    ("event.message.metadata", typed_event),
    ("event.message.misshapen", opaque_event),
    ("event.message.reply", typed_event),
    ("event.message.thread", typed_event),
    ("event.reaction", typed_event),
    ("event.reaction.removed", typed_event),
    ("event.room_created", typed_event),
    ("event.room_created.direct", typed_event),
    ("event.room_slow_mode", typed_event),
    ("event.room_updated", typed_event),
    ("event.unknown.null", opaque_event),
    ("event.unknown.number", opaque_event),
    ("event.unknown.odd", opaque_event),
    ("event.unknown.text", opaque_event),
    ("frame.client.credit", client_frame),
    ("frame.client.ephemeral", client_frame),
    ("frame.client.hello", client_frame),
    ("frame.client.hello.again", client_frame),
    ("frame.client.hello.watch", client_frame),
    ("frame.client.ping", client_frame),
    ("frame.client.pong", client_frame),
    ("frame.client.receipts", client_frame),
    ("frame.client.send", client_frame),
    ("frame.client.subscribe", client_frame),
    ("frame.client.sync", client_frame),
    ("frame.client.token", client_frame),
    ("frame.client.unknown", unknown_client_frame),
    ("frame.client.unsubscribe", client_frame),
    ("frame.client.watch", client_frame),
    ("frame.server.batch", server_frame),
    ("frame.server.batch.limited", server_frame),
    ("frame.server.batch.receipts", server_frame),
    ("frame.server.ephemeral", server_frame),
    ("frame.server.error", server_frame),
    ("frame.server.error.general", server_frame),
    ("frame.server.goaway", server_frame),
    ("frame.server.limited", server_frame),
    ("frame.server.live", server_frame),
    ("frame.server.ping", server_frame),
    ("frame.server.policy", server_frame),
    ("frame.server.policy.audience", server_frame),
    ("frame.server.pong", server_frame),
    ("frame.server.sent", server_frame),
    ("frame.server.sent.refused", server_frame),
    ("frame.server.synced", server_frame),
    ("frame.server.synced.error", server_frame),
    ("frame.server.unknown", unknown_server_frame),
    ("frame.server.welcome", server_frame),
    ("frame.server.welcome.least", server_frame),
    ("frame.server.welcome.small", server_frame),
    ("mode.all", json::<Vec<Mode>>),
    ("page", json::<Page>),
    ("page.limited", json::<Page>),
    ("page.receipts", json::<Page>),
    ("page.blocks", json::<Page>),
    ("page.settings", json::<Page>),
    ("policy", valid_policy),
    ("policy.unrestricted", valid_policy),
    ("presence.all", json::<Vec<PeerPresence>>),
    ("receipt", json::<Receipt>),
    ("room.direct", json::<RoomState>),
    ("room.group", json::<RoomState>),
    ("room.group.order", json::<RoomState>),
    ("report_reason.all", json::<Vec<ReportReason>>),
    ("room.group.settings", json::<RoomState>),
    ("room.left", json::<RoomState>),
    ("settings.all", json::<Vec<SettingsUpdate>>),
];

/// Names the type of a frame, and lists all names. The match has no `_`: a new variant does not
/// compile until it stands here, and what stands here must have a golden file.
macro_rules! frame_types {
    ($list:ident, $function:ident, $frame:ident: $($variant:ident = $name:literal),* $(,)?) => {
        pub(crate) const $list: &[&str] = &[$($name),*];

        pub(crate) fn $function(frame: &$frame) -> &'static str {
            match frame {
                $($frame::$variant { .. } => $name,)*
                $frame::Unknown(_) => "unknown",
            }
        }
    };
}

frame_types!(CLIENT_FRAMES, client_type, ClientFrame:
    Hello = "hello",
    Token = "token",
    Credit = "credit",
    Subscribe = "subscribe",
    Unsubscribe = "unsubscribe",
    Send = "send",
    Sync = "sync",
    Receipts = "receipts",
    Watch = "watch",
    Ephemeral = "ephemeral",
    Ping = "ping",
    Pong = "pong",
);

frame_types!(SERVER_FRAMES, server_type, ServerFrame:
    Welcome = "welcome",
    Batch = "batch",
    Live = "live",
    Limited = "limited",
    Sent = "sent",
    Synced = "synced",
    Ephemeral = "ephemeral",
    Policy = "policy",
    Ping = "ping",
    Pong = "pong",
    Error = "error",
    Goaway = "goaway",
);

/// The same JSON value goes in and comes out, and contents keep their bytes.
fn json<T: DeserializeOwned + Serialize + PartialEq + Debug>(name: &str, text: &str) {
    let value: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let again = serde_json::to_string(&value).unwrap();
    same_json(name, text, &again);
    assert_eq!(serde_json::from_str::<T>(&again).unwrap(), value, "{name}");
}

fn same_json(name: &str, text: &str, again: &str) {
    let (was, is): (Value, Value) =
        (serde_json::from_str(text).unwrap(), serde_json::from_str(again).unwrap());
    assert_eq!(was, is, "{name}");
    assert_eq!(contents(text), contents(again), "{name}");
}

/// The bytes of each `content` in the text, by the order of keys.
fn contents(text: &str) -> Vec<String> {
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
        let mut found = Vec::new();
        for (key, value) in object {
            match key.as_str() {
                "content" => found.push(value.get().to_owned()),
                _ => found.extend(contents(value.get())),
            }
        }
        found
    } else if let Ok(array) = serde_json::from_str::<Vec<&RawValue>>(text) {
        array.into_iter().flat_map(|value| contents(value.get())).collect()
    } else {
        Vec::new()
    }
}

fn typed_event(name: &str, text: &str) {
    json::<Event>(name, text);
    let event: Event = serde_json::from_str(text).unwrap();
    assert_ne!(event.body(), Body::Opaque, "{name}");
}

/// The file is one line as a server writes it: it must come out byte for byte.
fn opaque_event(name: &str, text: &str) {
    let event: Event = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_string(&event).unwrap(), text.trim_end(), "{name}");
    assert_eq!(event.body(), Body::Opaque, "{name}");
}

fn valid_policy(name: &str, text: &str) {
    json::<Policy>(name, text);
    let policy: Policy = serde_json::from_str(text).unwrap();
    assert!(policy.validate().is_ok(), "{name}");
}

fn client_frame(name: &str, text: &str) {
    let frame = ClientFrame::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let again = serde_json::to_string(&frame).unwrap();
    same_json(name, text, &again);
    assert_eq!(ClientFrame::parse(&again).unwrap(), frame, "{name}");
    assert_eq!(tag(text), client_type(&frame), "{name}");
}

fn server_frame(name: &str, text: &str) {
    let frame = ServerFrame::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let again = serde_json::to_string(&frame).unwrap();
    same_json(name, text, &again);
    assert_eq!(ServerFrame::parse(&again).unwrap(), frame, "{name}");
    assert_eq!(tag(text), server_type(&frame), "{name}");
}

fn unknown_client_frame(name: &str, text: &str) {
    let frame = ClientFrame::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(frame, ClientFrame::Unknown(tag(text)), "{name}");
    assert!(serde_json::to_string(&frame).is_err(), "what is not understood is not sent on");
}

fn unknown_server_frame(name: &str, text: &str) {
    let frame = ServerFrame::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(frame, ServerFrame::Unknown(tag(text)), "{name}");
    assert!(serde_json::to_string(&frame).is_err(), "what is not understood is not sent on");
}

fn tag(text: &str) -> String {
    serde_json::from_str::<Value>(text).unwrap()["type"].as_str().unwrap().to_owned()
}
