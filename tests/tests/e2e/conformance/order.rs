//! Who may write in a group when: mutes and slow mode.

use tidewire::engine::{Request, RequestError, Response};
use tidewire::{Body, ErrorCode, EventKind, Role, RoomId, RoomState, WireError};
use tidewire_protocol::{
    ClientFrame, Hello, Mute, MutePage, MuteRequest, Op, OpOutcome, RoomKind, RoomOps, Sent,
    ServerFrame, SlowMode, SyncRequest,
};

use super::changes::{delete, room_request};
use super::moderation::{give, moderated};
use super::{
    Served, boot, code, cursor, group, op as message, read, reading, sync, talk, try_create,
    try_send, user,
};

const HOUR: u32 = 3_600_000;

async fn mute(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    name: &str,
    for_ms: Option<u64>,
) -> Result<RoomState, RequestError> {
    let mute = MuteRequest { for_ms, reason: Some("noise".into()) };
    room_request(server, by, Request::Mute(room, user(name), mute)).await
}

async fn unmute(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    name: &str,
) -> Result<RoomState, RequestError> {
    room_request(server, by, Request::Unmute(room, user(name))).await
}

async fn mutes(server: &mut impl Served, by: &str, room: RoomId) -> Result<MutePage, RequestError> {
    match server.request(by, Request::Mutes(room, None)).await? {
        Response::Mutes(page) => Ok(page),
        other => panic!("{other:?}"),
    }
}

async fn slow(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    interval_ms: u32,
) -> Result<RoomState, RequestError> {
    room_request(server, by, Request::SetSlowMode(room, SlowMode { interval_ms })).await
}

/// Why the last operation was not taken.
fn refused(sent: &Sent) -> WireError {
    match &sent.results.last().unwrap().outcome {
        OpOutcome::Refused { error } => error.clone(),
        other => panic!("{other:?}"),
    }
}

fn taken(sent: &Sent) -> bool {
    sent.results.iter().all(|result| matches!(result.outcome, OpOutcome::Accepted { .. }))
}

async fn says_twice(server: &mut impl Served, name: &str, room: RoomId) {
    let ops = vec![message("1"), message("2")];
    assert!(taken(&try_send(server, name, room, ops).await.unwrap()), "{name}");
}

async fn say(server: &mut impl Served, name: &str, room: RoomId, op: Op) -> Sent {
    try_send(server, name, room, vec![op]).await.unwrap()
}

pub(super) async fn who_is_muted_reads_on_and_hears_until_when(server: &mut impl Served) {
    let room = moderated(server, &["bob", "cyd", "moe"]).await;
    let bobs = talk(server, "bob", room, 1).await[0];
    let from = cursor(server, "bob").await;
    assert_eq!(mute(server, "moe", room, "bob", None).await.unwrap().mute, None);
    let error = refused(&say(server, "bob", room, message("x")).await);
    assert_eq!((error.code, error.temporary), (ErrorCode::Muted, false));
    assert_eq!(error.detail.unwrap().until, None);
    assert_eq!(boot(server, "bob").await.rooms[0].mute, Some(Mute { until: None }));
    mute(server, "ada", room, "bob", Some(HOUR.into())).await.unwrap();
    let error = refused(&say(server, "bob", room, message("x")).await);
    let until = error.detail.unwrap().until;
    assert_eq!(boot(server, "bob").await.rooms[0].mute, Some(Mute { until }));
    assert!(until.is_some());
    // He hears of it and of what the others say, and takes back what he said.
    talk(server, "cyd", room, 1).await;
    let told = read(server, "bob", &from).await.events;
    let kinds: Vec<_> = told.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [EventKind::MemberMuted, EventKind::MemberMuted, EventKind::Message]);
    let Body::MemberMuted(change) = told[1].body() else { panic!("{told:?}") };
    assert_eq!((change.user.as_str(), change.mute.until), ("bob", until));
    assert!(taken(&say(server, "bob", room, delete(bobs)).await));
    let page = mutes(server, "moe", room).await.unwrap();
    let muted = &page.mutes[0];
    assert_eq!((muted.user.as_str(), muted.by.as_str(), page.mutes.len()), ("bob", "ada", 1));
    assert_eq!((muted.mute.until, muted.reason.as_deref()), (until, Some("noise")));
    let Response::Members(page) =
        server.request("cyd", Request::Members(room, None)).await.unwrap()
    else {
        panic!("no members")
    };
    let of = |name: &str| page.members.iter().find(|m| m.user.as_str() == name).unwrap().mute;
    assert_eq!((of("bob"), of("cyd")), (Some(Mute { until }), None));
    let head = unmute(server, "moe", room, "bob").await.unwrap().head_seq;
    assert_eq!(unmute(server, "moe", room, "bob").await.unwrap().head_seq, head, "told once");
    assert!(taken(&say(server, "bob", room, message("back")).await));
    assert_eq!(boot(server, "bob").await.rooms[0].mute, None);
}

pub(super) async fn only_who_keeps_order_mutes_and_only_those_below(server: &mut impl Served) {
    let room = moderated(server, &["bob", "cyd", "moe", "mia"]).await;
    give(server, room, "mia", Role::Moderator).await;
    for (by, name) in [("bob", "cyd"), ("moe", "mia"), ("moe", "ada"), ("moe", "moe")] {
        let refused = mute(server, by, room, name, None).await;
        assert_eq!(code(refused), ErrorCode::Forbidden, "{by} {name}");
    }
    assert_eq!(code(mute(server, "eve", room, "bob", None).await), ErrorCode::NotAMember);
    let wrong = [("eve", None), ("bob", Some(0)), ("bob", Some(u64::MAX >> 12))];
    for (name, time) in wrong {
        let refused = mute(server, "ada", room, name, time).await;
        assert_eq!(code(refused), ErrorCode::InvalidContent, "{name} {time:?}");
    }
    mute(server, "ada", room, "moe", None).await.unwrap();
    assert_eq!(code(unmute(server, "moe", room, "moe").await), ErrorCode::Forbidden);
    assert_eq!(code(unmute(server, "mia", room, "moe").await), ErrorCode::Forbidden);
    assert_eq!(code(mutes(server, "bob", room).await), ErrorCode::Forbidden);
    assert_eq!(code(mutes(server, "eve", room).await), ErrorCode::NotAMember);
    assert_eq!(code(slow(server, "bob", room, 5).await), ErrorCode::Forbidden);
    assert_eq!(code(slow(server, "ada", room, 21_600_001).await), ErrorCode::InvalidContent);
    let direct = try_create(server, "ada", super::room(), RoomKind::Direct, &["bob"]).await;
    let direct = direct.unwrap().id;
    assert_eq!(code(mute(server, "ada", direct, "bob", None).await), ErrorCode::Forbidden);
    assert_eq!(code(slow(server, "ada", direct, 5).await), ErrorCode::Forbidden);
}

pub(super) async fn in_slow_mode_what_comes_too_early_is_put_off_on_every_way(
    server: &mut impl Served,
) {
    let room = moderated(server, &["bob", "cyd", "moe"]).await;
    let (state, again) =
        (slow(server, "moe", room, HOUR).await.unwrap(), slow(server, "ada", room, HOUR).await);
    assert_eq!((state.slow_mode_ms, again.unwrap().head_seq), (HOUR, state.head_seq), "told once");
    assert_eq!(boot(server, "bob").await.rooms[0].slow_mode_ms, HOUR);
    let put_off = |error: WireError| {
        assert_eq!((&error.code, error.temporary), (&ErrorCode::SlowMode, true));
        assert!((1..=u64::from(HOUR)).contains(&error.retry_after_ms.unwrap()), "{error:?}");
    };
    let ops = vec![message("1"), message("2")];
    let sent = try_send(server, "bob", room, ops.clone()).await.unwrap();
    assert!(matches!(sent.results[0].outcome, OpOutcome::Accepted { .. }));
    put_off(refused(&sent));
    // A repeat gets the first answer, and what is new is put off again: aboard a `sync`, over a socket.
    let from = cursor(server, "bob").await;
    let aboard = vec![RoomOps { room, ops: ops.clone() }];
    let request = SyncRequest { ops: aboard, ..reading(&from) };
    put_off(refused(&sync(server, "bob", request).await.unwrap().1[0]));
    let mut socket = server.open("bob").await;
    let hello = Hello { heartbeat_ms: 30_000, ..Hello::default() };
    server.say(&mut socket, ClientFrame::Hello(hello)).await;
    server.hears(&mut socket, &["welcome"]).await;
    server.say(&mut socket, ClientFrame::Send(RoomOps { room, ops })).await;
    let ServerFrame::Sent(sent) = server.hears(&mut socket, &["sent"]).await else {
        panic!("no answer")
    };
    put_off(refused(&sent));
    // Neither who keeps order waits, nor what changes a message, nor another room.
    says_twice(server, "moe", room).await;
    let cyds = talk(server, "cyd", room, 1).await[0];
    assert!(taken(&say(server, "cyd", room, delete(cyds)).await));
    put_off(refused(&say(server, "cyd", room, message("x")).await));
    let other = group(server, "bob", &["cyd"]).await;
    says_twice(server, "cyd", other).await;
    slow(server, "ada", room, 0).await.unwrap();
    says_twice(server, "bob", room).await;
}
