//! What an effect decides, as a short text: the same for a recording and for its replay, whatever
//! names and texts were replaced.

use std::fmt::{Debug, Write as _};

use tidewire_protocol::{ClientFrame, EventsQuery, Op, ReceiptUpdate, SyncRequest, TypingUpdate};

use crate::engine::{
    Change, Effect, FileJob, Notice, PartPut, Problem, Query, Reply, Request, TimelineUpdate,
    Transaction, Write,
};

/// What an effect decides. None of what lists of rooms show, and of the total of what is unread: that
/// hangs on names and mentions, which a recording hides, and nothing else hangs on it.
pub(super) fn decision(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Notify(Notice::RoomList(..) | Notice::UnreadTotal(_)) => return None,
        Effect::OpenSocket(id) => format!("open socket {}", id.0),
        Effect::CloseSocket(id) => format!("close socket {}", id.0),
        Effect::OpenStream(id, query) => {
            let EventsQuery { cursor, app_state, heartbeat_ms, device: _, watch } = query;
            let (cursor, state, watch) = (cursor.is_some(), app_state.as_str(), watch.len());
            let id = id.0;
            format!(
                "open stream {id} cursor={cursor} app_state={state} \
                 heartbeat_ms={heartbeat_ms} watch={watch}"
            )
        }
        Effect::CloseStream(id) => format!("close stream {}", id.0),
        Effect::SendFrame(id, frame) => format!("send on {}: {}", id.0, of_frame(frame)),
        Effect::Request(id, request) => format!("request {}: {}", id.0, of_request(request)),
        Effect::Load(token, query) => format!("load {}: {}", token.0, of_query(query)),
        Effect::Commit(token, transaction) => {
            format!("commit {}: {}", token.0, of_transaction(transaction))
        }
        Effect::Fetch(id, fetch) => format!("fetch {}: {fetch:?}", id.0),
        Effect::CancelFetch(id) => format!("cancel fetch {}", id.0),
        Effect::File(id, job) => format!("file {}: {}", id.0, of_file_job(job)),
        Effect::Release => "release everything".into(),
        Effect::Erase(command) => format!("erase everything for {}", command.0),
        Effect::PutPart(id, put) => {
            let PartPut { upload, part, offset, length, .. } = put;
            format!("put {} part {} of {upload}: {offset}+{length}", id.0, part.number)
        }
        Effect::DropPut(id) => format!("drop put {}", id.0),
        Effect::DropCopy(upload) => format!("drop copy {upload}"),
        Effect::FetchToken => "fetch a token".into(),
        Effect::Notify(notice) => format!("tell {}", of_notice(notice)),
    })
}

/// The name of an enum's variant, without what is in it.
fn name(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn of_frame(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Hello(hello) => {
            let mut text = format!(
                "hello feed={} app_state={} heartbeat_ms={} live",
                hello.feed,
                hello.app_state.as_str(),
                hello.heartbeat_ms
            );
            for live in &hello.live {
                let _ = write!(text, " {}>{}", live.room, live.after);
            }
            text
        }
        ClientFrame::Subscribe(live) => format!("subscribe {}>{}", live.room, live.after),
        ClientFrame::Unsubscribe { room } => format!("unsubscribe {room}"),
        ClientFrame::Send(ops) => format!("send {}", of_ops(&ops.room, &ops.ops)),
        ClientFrame::Sync { request, sync } => format!("sync {request}: {}", of_sync(sync)),
        ClientFrame::Watch { rooms } => format!("watch {}", rooms.len()),
        ClientFrame::Ephemeral { typing } => format!("ephemeral{}", of_typing(typing)),
        ClientFrame::Receipts { receipts } => format!("receipts{}", of_receipts(receipts)),
        other => name(other).to_lowercase(),
    }
}

fn of_request(request: &Request) -> String {
    match request {
        Request::Sync(sync) => format!("sync {}", of_sync(sync)),
        Request::Room(room) | Request::Members(room, _) | Request::Receipts(room, ..) => {
            format!("{} {room}", name(request))
        }
        Request::AddMembers(room, new) => format!("AddMembers {room} {}", new.users.len()),
        Request::SetRole(room, ..)
        | Request::Ban(room, ..)
        | Request::Unban(room, _)
        | Request::Bans(room, _)
        | Request::Mute(room, ..)
        | Request::Unmute(room, _)
        | Request::Mutes(room, _)
        | Request::SetSlowMode(room, _)
        | Request::UpdateRoom(room, _)
        | Request::SetSettings(room, _) => {
            format!("{} {room}", name(request))
        }
        Request::Message(room, event) => format!("Message {room} {event}"),
        Request::RemoveMember(room, _) => format!("RemoveMember {room}"),
        Request::CreateRoom(new) => format!("CreateRoom {} {}", new.id, new.members.len()),
        Request::History(room, query) => format!("History {room} {query:?}"),
        Request::Ops(room, ops) => format!("Ops {}", of_ops(room, &ops.ops)),
        Request::BeginUpload(asked) => format!("BeginUpload {}", asked.id),
        Request::CompleteUpload(id) | Request::CancelUpload(id) => {
            format!("{} {id}", name(request))
        }
        Request::Report(report) => format!("Report {} {}", report.room, report.id),
        Request::Reports(room, query) => format!("Reports {room} {query:?}"),
        Request::ResolveReport(id) => format!("ResolveReport {id}"),
        Request::Block(_, query) | Request::Unblock(_, query) => {
            format!("{} after {:?}", name(request), query.version)
        }
        Request::Profiles(wanted) => format!("Profiles {}", wanted.users.len()),
        other => name(other),
    }
}

fn of_sync(sync: &SyncRequest) -> String {
    let mut text = format!(
        "cursor={} app_state={} heartbeat_ms={} have",
        sync.cursor.is_some(),
        sync.app_state.as_str(),
        sync.heartbeat_ms
    );
    for (room, seq) in &sync.have {
        let _ = write!(text, " {room}<={seq}");
    }
    let watch = sync.watch.as_ref().map_or(0, |watch| watch.rooms.len());
    let _ = write!(text, " watch={watch} typing{}", of_typing(&sync.typing));
    let _ = write!(text, " receipts{} ops", of_receipts(&sync.receipts));
    for room in &sync.ops {
        let _ = write!(text, " {}", of_ops(&room.room, &room.ops));
    }
    text
}

fn of_ops(room: &impl std::fmt::Display, ops: &[Op]) -> String {
    let mut text = format!("{room}:");
    for op in ops {
        let _ = write!(text, " {}", op.id);
    }
    text
}

fn of_receipts(receipts: &[ReceiptUpdate]) -> String {
    let mut text = String::new();
    for ReceiptUpdate { room, delivered, read } in receipts {
        let number = |seq: Option<tidewire_protocol::Seq>| seq.map_or(0, |seq| seq.get());
        let _ = write!(text, " {room}:{}/{}", number(*delivered), number(*read));
    }
    text
}

fn of_typing(typing: &[TypingUpdate]) -> String {
    let update = |update: &TypingUpdate| format!(" {}:{}", update.room, update.typing);
    typing.iter().map(update).collect()
}

/// Without the keys: a recording has others.
fn of_file_job(job: &FileJob) -> String {
    match job {
        FileJob::List { parts_kept_ms } => format!("List {parts_kept_ms}"),
        FileJob::Adopt { upload, .. } => format!("Adopt {upload}"),
        FileJob::Remove(keys) => format!("Remove {}", keys.len()),
        other => name(other),
    }
}

fn of_query(query: &Query) -> String {
    match query {
        Query::Start(_) => "Start".into(),
        Query::Profiles(users) => format!("Profiles {}", users.len()),
        other => format!("{other:?}"),
    }
}

fn of_transaction(transaction: &Transaction) -> String {
    let mut text = String::new();
    for (on, word) in [(transaction.durable, "durable "), (transaction.independent, "independent ")]
    {
        if on {
            text.push_str(word);
        }
    }
    // Whom a message mentions a recording hides.
    for write in transaction.writes.iter().filter(|w| !matches!(w, Write::Mention { .. })) {
        text.push_str(&of_write(write));
        text.push_str("; ");
    }
    text
}

fn of_write(write: &Write) -> String {
    match write {
        Write::Room { state, as_of, feed_seq } => format!(
            "Room {} head={} members={} joined={} as_of={as_of} feed_seq={feed_seq}",
            state.id, state.head_seq, state.members, state.joined
        ),
        Write::Event(event) => format!("Event {} {} {}", event.room, event.seq, event.id),
        Write::Mutation { event, mine } => {
            format!("Mutation {} {} {} mine={mine}", event.room, event.seq, event.id)
        }
        Write::Folded { event, as_of } => {
            format!("Folded {} {} {} as_of={as_of}", event.room, event.seq, event.id)
        }
        Write::Uploaded(id, _) => format!("Uploaded {id}"),
        Write::Amend(id, _) => format!("Amend {id}"),
        Write::Receipts { room, receipts } => format!("Receipts {room} {}", receipts.len()),
        Write::Receipt(receipt) => {
            format!("Receipt {} {}/{}", receipt.room, receipt.delivered, receipt.read)
        }
        Write::Enqueue(row) => format!("Enqueue {} {}", row.room, row.op.id),
        Write::Failure(id, reason) => format!("Failure {id} {}", name(reason)),
        Write::Profile(_, at) => format!("Profile {at}"),
        Write::Draft { room, text } => {
            format!("Draft {room} {} bytes", text.as_ref().map_or(0, String::len))
        }
        Write::Mention { .. } => String::new(),
        Write::Blocks(list) => format!("Blocks {}: {}", list.version, list.users.len()),
        Write::BlockWish { user: _, blocked } => format!("BlockWish {blocked:?}"),
        Write::Wish { .. }
        | Write::Head { .. }
        | Write::Range { .. }
        | Write::Stale { .. }
        | Write::MarkRead { .. }
        | Write::Opened(..)
        | Write::Drop { .. }
        | Write::Attempted(..)
        | Write::Retry(..)
        | Write::IndexMore(_)
        | Write::Dequeue(_) => format!("{write:?}"),
        Write::WipeCache(_) | Write::Epoch(_) | Write::ForgetCursor | Write::Cursor(_) => {
            name(write)
        }
    }
}

fn of_notice(notice: &Notice) -> String {
    match notice {
        Notice::Reply(id, Ok(reply)) => format!("reply {}: {}", id.0, of_reply(reply)),
        Notice::Reply(id, Err(error)) => format!("reply {}: error {}", id.0, name(error)),
        Notice::Timeline(id, update) => format!("timeline {}: {}", id.0, of_update(update)),
        Notice::Mode(report) => format!("mode {:?} because {:?}", report.mode, report.reason),
        Notice::Problem(Problem::SendFailed { room, id, target, reason }) => {
            format!("problem SendFailed {room} {id} {target:?} {}", name(reason))
        }
        Notice::Problem(Problem::StoreFailed(error)) => {
            format!("problem StoreFailed {}", name(error))
        }
        Notice::Problem(problem) => format!("problem {}", name(problem)),
        Notice::RoomList(..) | Notice::UnreadTotal(_) => String::new(),
        Notice::RoomsChanged => "rooms changed".into(),
        Notice::ProfilesChanged(users) => format!("profiles of {}", users.len()),
        Notice::BlockedChanged(users) => format!("blocked: {}", users.len()),
        Notice::Presence(changes) => format!("presence of {}", changes.len()),
        Notice::Typing(room, users) => format!("typing {room}: {}", users.len()),
    }
}

fn of_reply(reply: &Reply) -> String {
    match reply {
        Reply::Loaded(loaded) => format!("{loaded:?}"),
        Reply::Rooms(rooms) => format!("Rooms {}", rooms.len()),
        Reply::Room(state) => format!("Room {}", state.id),
        Reply::Receipts(page) => format!("Receipts {}", page.receipts.len()),
        Reply::Reports(page) => format!("Reports {}", page.reports.len()),
        Reply::Bans(page) => format!("Bans {}", page.bans.len()),
        Reply::Mutes(page) => format!("Mutes {}", page.mutes.len()),
        Reply::Members(members, _) => format!("Members {}", members.len()),
        Reply::Profiles(profiles) => format!("Profiles {}", profiles.len()),
        Reply::Refreshed(refreshed) => format!("{refreshed:?}"),
        Reply::Budget(report) => format!("{report:?}"),
        other => name(other),
    }
}

fn of_update(update: &TimelineUpdate) -> String {
    match update {
        TimelineUpdate::Reset { rows, more_before, more_after, unread_from: _ } => {
            format!("reset to {} more={more_before}/{more_after}", rows.len())
        }
        TimelineUpdate::Diff { changes, more_before, more_after } => {
            let mut text = format!("more={more_before}/{more_after}");
            for change in changes {
                let _ = match change {
                    Change::Insert { index, row } => write!(text, " +{index} {:?}", row.key()),
                    Change::Set { index, row } => {
                        let state = row.message().map(|message| name(&message.state));
                        write!(text, " ={index} {:?} {state:?}", row.key())
                    }
                    Change::Remove { index } => write!(text, " -{index}"),
                };
            }
            text
        }
    }
}
