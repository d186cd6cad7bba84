//! What changes messages, and how history folds it; how groups look, who may what in them, and what
//! users set for themselves.

use serde::Serialize;
use tidewire::engine::{Request, RequestError, Response};
use tidewire::{
    Content, ErrorCode, EventId, EventKind, MessageContent, Role, RoomId, RoomKind, Seq,
};
use tidewire_protocol::{
    Body, DeleteContent, EditContent, Event, Fold, History, HistoryAnchor, HistoryQuery, Op,
    OpOutcome, ReactionContent, RoleUpdate, RoomSettings, RoomUpdate, SettingsNews, SettingsUpdate,
    limits,
};
use uuid::Uuid;

use super::{
    Served, add, boot, code, cursor, group, op, read, refusal, remove, room, talk, try_create,
    try_send, user,
};

pub(super) fn of<T: Serialize>(kind: EventKind, content: &T) -> Op {
    Op { id: EventId::from_uuid(Uuid::now_v7()), kind, content: Content::of(content).unwrap() }
}

fn edit(target: EventId, text: &str) -> Op {
    of(EventKind::Edit, &EditContent { target, content: MessageContent::of_text(text) })
}

pub(super) fn delete(target: EventId) -> Op {
    of(EventKind::Delete, &DeleteContent { target })
}

fn reaction(target: EventId, key: &str, removed: bool) -> Op {
    of(EventKind::Reaction, &ReactionContent { target, key: key.into(), removed })
}

fn reply(root: EventId, text: &str) -> Op {
    let content = MessageContent { thread: Some(root), ..MessageContent::of_text(text) };
    of(EventKind::Message, &content)
}

fn quote(of_message: EventId) -> Op {
    let content = MessageContent { reply_to: Some(of_message), ..MessageContent::of_text("so?") };
    of(EventKind::Message, &content)
}

/// Sends what must be taken. Gives its id.
async fn send(server: &mut impl Served, by: &str, room: RoomId, op: Op) -> EventId {
    let id = op.id;
    let sent = try_send(server, by, room, vec![op]).await.unwrap();
    assert!(matches!(sent.results[0].outcome, OpOutcome::Accepted { .. }), "{sent:?}");
    id
}

/// Sends what must be refused. Gives why.
async fn refused(server: &mut impl Served, by: &str, room: RoomId, op: Op) -> ErrorCode {
    let sent = try_send(server, by, room, vec![op, super::op("behind")]).await.unwrap();
    assert_eq!(sent.results[1].outcome, OpOutcome::NotTried);
    refusal(&sent.results[0].outcome).expect("a refusal")
}

async fn try_history(
    server: &mut impl Served,
    by: &str,
    request: Request,
) -> Result<History, RequestError> {
    match server.request(by, request).await? {
        Response::History(history) => Ok(history),
        other => panic!("{other:?}"),
    }
}

async fn history(server: &mut impl Served, by: &str, room: RoomId) -> History {
    let request = Request::History(room, HistoryQuery::default());
    try_history(server, by, request).await.unwrap()
}

fn seqs(history: &History) -> Vec<u64> {
    history.messages.iter().map(|event| event.seq.get()).collect()
}

fn covers(history: &History) -> Option<(u64, u64)> {
    history.covers.map(|(first, last)| (first.get(), last.get()))
}

fn fold(event: &Event) -> Fold {
    event.fold.as_deref().cloned().unwrap_or_default()
}

fn text(event: &Event) -> String {
    event.content.parse::<MessageContent>().unwrap().text
}

/// Of each key: who has it, how many, and whether the reader does.
fn reactions(event: &Event) -> Vec<(String, u32, bool, Vec<String>)> {
    let names = |by: &[tidewire::UserId]| by.iter().map(ToString::to_string).collect();
    fold(event).reactions.iter().map(|r| (r.key.clone(), r.count, r.mine, names(&r.by))).collect()
}

pub(super) async fn history_is_folded_as_of_its_head(server: &mut impl Served) {
    let room = group(server, "ada", &["bob", "cyd"]).await;
    let said = talk(server, "ada", room, 2).await;
    send(server, "bob", room, reaction(said[0], "+", false)).await;
    send(server, "cyd", room, reaction(said[0], "-", false)).await;
    send(server, "ada", room, reaction(said[0], "+", false)).await;
    send(server, "ada", room, edit(said[0], "draft")).await;
    send(server, "ada", room, edit(said[0], "better")).await;
    send(server, "bob", room, reaction(said[0], "+", true)).await;
    send(server, "ada", room, reaction(said[1], "?", false)).await;
    send(server, "ada", room, edit(said[1], "never mind")).await;
    send(server, "ada", room, delete(said[1])).await;
    let page = history(server, "ada", room).await;
    assert_eq!((seqs(&page), covers(&page)), (vec![1, 2, 3], Some((1, 12))));
    let [_, first, second] = &page.messages[..] else { panic!("{page:?}") };
    assert_eq!(text(first), "better");
    assert_eq!(fold(first).edited.map(|change| change.seq), Some(Seq::new(8)));
    let told = [
        ("+".into(), 1, true, vec!["ada".to_owned()]),
        ("-".into(), 1, false, vec!["cyd".to_owned()]),
    ];
    assert_eq!(reactions(first), told);
    assert_eq!((second.content.as_json(), second.kind.as_str()), ("{}", "message"));
    let gone = fold(second);
    assert_eq!(gone.deleted.map(|change| change.seq), Some(Seq::new(12)));
    assert_eq!((gone.edited, gone.reactions, gone.thread), (None, vec![], None));
    // Another reader has other reactions of one's own.
    let bobs = history(server, "bob", room).await;
    assert!(reactions(&bobs.messages[1]).iter().all(|(_, _, mine, _)| !mine));
    // The feed and the log of the room are what was sent.
    let boot = boot(server, "bob").await.rooms.remove(0);
    assert_eq!(boot.last_event.unwrap().kind, EventKind::Delete);
    let last = boot.last_message.unwrap();
    assert_eq!((last.seq, last.content.as_json()), (Seq::new(3), "{}"));
}

pub(super) async fn a_page_reaches_over_what_was_folded_away(server: &mut impl Served) {
    let room = group(server, "ada", &[]).await;
    for n in 0..3 {
        let id = send(server, "ada", room, op(&n.to_string())).await;
        for round in 0..9 {
            send(server, "ada", room, reaction(id, "+", round % 2 == 1)).await;
        }
    }
    // The messages are 2, 12 and 22, the head is 31.
    for (anchor, limit, expected, told) in [
        (HistoryAnchor::Newest, 1, vec![22], Some((13, 31))),
        (HistoryAnchor::Newest, 9, vec![1, 2, 12, 22], Some((1, 31))),
        (HistoryAnchor::Before(Seq::new(22)), 1, vec![12], Some((3, 21))),
        (HistoryAnchor::Before(Seq::new(18)), 1, vec![12], Some((3, 17))),
        (HistoryAnchor::Before(Seq::new(1)), 1, vec![], None),
        (HistoryAnchor::After(Seq::new(2)), 1, vec![12], Some((3, 21))),
        (HistoryAnchor::After(Seq::new(25)), 1, vec![], Some((26, 31))),
        (HistoryAnchor::After(Seq::new(31)), 1, vec![], None),
        (HistoryAnchor::Around(Seq::new(15)), 2, vec![12, 22], Some((3, 31))),
        (HistoryAnchor::Around(Seq::new(31)), 2, vec![12, 22], Some((3, 31))),
        (HistoryAnchor::Around(Seq::new(2)), 2, vec![1, 2], Some((1, 11))),
        (HistoryAnchor::Around(Seq::new(99)), 1, vec![22], Some((13, 31))),
    ] {
        let request = Request::History(room, HistoryQuery::at(anchor, limit));
        let page = try_history(server, "ada", request).await.unwrap();
        assert_eq!((seqs(&page), covers(&page)), (expected, told), "{anchor:?} {limit}");
        assert_eq!(page.as_of, Seq::new(31));
    }
}

pub(super) async fn what_may_not_change_is_refused(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let other = group(server, "ada", &["bob"]).await;
    let elsewhere = talk(server, "ada", other, 1).await[0];
    let poll = send(server, "ada", room, of("poll".into(), &"?")).await;
    let adas = talk(server, "ada", room, 1).await[0];
    let bobs = talk(server, "bob", room, 1).await[0];
    let edited = send(server, "ada", room, edit(adas, "better")).await;
    for target in [op("never sent").id, elsewhere, poll, edited] {
        for op in [
            edit(target, "x"),
            delete(target),
            reaction(target, "+", false),
            reply(target, "x"),
            quote(target),
        ] {
            let kind = op.kind.clone();
            let code = refused(server, "ada", room, op).await;
            assert_eq!(code, ErrorCode::UnknownMessage, "{kind} of {target}");
        }
    }
    assert_eq!(refused(server, "ada", room, edit(bobs, "x")).await, ErrorCode::Forbidden);
    assert_eq!(refused(server, "bob", room, delete(adas)).await, ErrorCode::Forbidden);
    let direct = try_create(server, "ada", super::room(), RoomKind::Direct, &["bob"]).await;
    let direct = direct.unwrap().id;
    let theirs = talk(server, "bob", direct, 1).await[0];
    assert_eq!(refused(server, "ada", direct, delete(theirs)).await, ErrorCode::Forbidden);
    assert_eq!(refused(server, "ada", room, reaction(bobs, "+", true)).await, ErrorCode::NoChange);
    send(server, "ada", room, reaction(bobs, "+", false)).await;
    assert_eq!(refused(server, "ada", room, reaction(bobs, "+", false)).await, ErrorCode::NoChange);
    let long = reaction(bobs, &"k".repeat(65), false);
    assert_eq!(refused(server, "ada", room, long).await, ErrorCode::InvalidContent);
    for n in 1..limits::REACTION_KEYS {
        send(server, "ada", room, reaction(bobs, &n.to_string(), false)).await;
    }
    let one_more = reaction(bobs, "more", false);
    assert_eq!(refused(server, "bob", room, one_more).await, ErrorCode::InvalidContent);
    send(server, "bob", room, reaction(bobs, "+", false)).await;
    let inside = send(server, "bob", room, reply(bobs, "inside")).await;
    assert_eq!(refused(server, "bob", room, reply(inside, "x")).await, ErrorCode::InvalidContent);
    // An owner deletes what others wrote; after that nothing more happens to it.
    send(server, "ada", room, delete(bobs)).await;
    assert_eq!(refused(server, "ada", room, delete(bobs)).await, ErrorCode::NoChange);
    assert_eq!(refused(server, "bob", room, edit(bobs, "x")).await, ErrorCode::MessageDeleted);
    let again = reaction(bobs, "!", false);
    assert_eq!(refused(server, "bob", room, again).await, ErrorCode::MessageDeleted);
    send(server, "bob", room, reply(bobs, "its thread goes on")).await;
    send(server, "bob", room, quote(bobs)).await;
}

pub(super) async fn a_repeated_change_gets_the_first_answer(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let said = op("said");
    let ops = vec![
        said.clone(),
        reaction(said.id, "+", false),
        reaction(said.id, "+", true),
        edit(said.id, "better"),
        delete(said.id),
    ];
    let first = try_send(server, "ada", room, ops.clone()).await.unwrap();
    assert!(first.results.iter().all(|r| matches!(r.outcome, OpOutcome::Accepted { .. })));
    assert_eq!(try_send(server, "ada", room, ops.clone()).await.unwrap(), first);
    for (op, result) in ops.into_iter().zip(&first.results).rev() {
        let again = try_send(server, "ada", room, vec![op]).await.unwrap();
        assert_eq!(again.results, std::slice::from_ref(result));
    }
    assert_eq!(boot(server, "ada").await.rooms[0].head_seq, Seq::new(6));
}

pub(super) async fn a_thread_is_counted_and_has_pages_of_its_own(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let root = send(server, "ada", room, op("root")).await;
    let mut replies = Vec::new();
    for n in 0..4 {
        talk(server, "bob", room, 1).await;
        replies.push(send(server, "bob", room, reply(root, &n.to_string())).await);
    }
    send(server, "bob", room, edit(replies[0], "zero")).await;
    send(server, "bob", room, delete(replies[3])).await;
    // The root is 2, its thread 4, 6, 8 and 10, the head is 12.
    for (anchor, limit, expected, told) in [
        (HistoryAnchor::Newest, 100, vec![2, 4, 6, 8, 10], Some((2, 12))),
        (HistoryAnchor::Newest, 2, vec![8, 10], Some((7, 12))),
        (HistoryAnchor::Before(Seq::new(8)), 2, vec![4, 6], Some((3, 7))),
        (HistoryAnchor::Before(Seq::new(4)), 2, vec![2], Some((2, 3))),
        (HistoryAnchor::Before(Seq::new(2)), 2, vec![], None),
        (HistoryAnchor::After(Seq::ZERO), 2, vec![2, 4], Some((2, 5))),
        (HistoryAnchor::After(Seq::new(4)), 1, vec![6], Some((5, 7))),
        (HistoryAnchor::Around(Seq::new(6)), 2, vec![4, 6], Some((3, 7))),
    ] {
        let query = HistoryQuery::at(anchor, limit).of_thread(root);
        let page = try_history(server, "ada", Request::History(room, query)).await.unwrap();
        assert_eq!((seqs(&page), covers(&page)), (expected, told), "{anchor:?} {limit}");
    }
    let page = history(server, "ada", room).await;
    let thread = fold(&page.messages[1]).thread.unwrap();
    assert_eq!((thread.replies, thread.last.seq), (4, Seq::new(10)));
    assert_eq!(text(&page.messages[3]), "zero");
    let gone = &page.messages[9];
    assert_eq!(gone.content.as_json(), format!("{{\"thread\":\"{root}\"}}"));
    // What stands in a thread is not what the list of rooms shows.
    let state = boot(server, "ada").await.rooms.remove(0);
    assert_eq!(state.last_message.unwrap().seq, Seq::new(9));
    let unknown = HistoryQuery::default().of_thread(op("never sent").id);
    let none = try_history(server, "ada", Request::History(room, unknown)).await;
    assert_eq!(code(none), ErrorCode::UnknownMessage);
}

pub(super) async fn a_message_comes_by_its_id(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let id = talk(server, "ada", room, 1).await[0];
    send(server, "ada", room, edit(id, "better")).await;
    let page = try_history(server, "bob", Request::Message(room, id)).await.unwrap();
    assert_eq!((seqs(&page), covers(&page)), (vec![2], Some((2, 2))));
    assert_eq!((page.as_of, text(&page.messages[0]).as_str()), (Seq::new(3), "better"));
    let unknown = Request::Message(room, op("never sent").id);
    assert_eq!(code(try_history(server, "bob", unknown).await), ErrorCode::UnknownMessage);
    let stranger = Request::Message(room, id);
    assert_eq!(code(try_history(server, "eve", stranger).await), ErrorCode::NotAMember);
    // A former member gets it as it was.
    remove(server, "ada", room, "bob").await.unwrap();
    send(server, "ada", room, edit(id, "still better")).await;
    let later = talk(server, "ada", room, 1).await[0];
    let page = try_history(server, "bob", Request::Message(room, id)).await.unwrap();
    assert_eq!((page.as_of, text(&page.messages[0]).as_str()), (Seq::new(4), "better"));
    let unseen = Request::Message(room, later);
    assert_eq!(code(try_history(server, "bob", unseen).await), ErrorCode::UnknownMessage);
}

pub(super) async fn only_messages_count_as_unread(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let said = talk(server, "ada", room, 2).await;
    send(server, "ada", room, reply(said[0], "in the thread")).await;
    send(server, "ada", room, reaction(said[0], "+", false)).await;
    let content = MessageContent { mentions: vec![user("bob")], ..MessageContent::of_text("@bob") };
    send(server, "ada", room, of(EventKind::Edit, &EditContent { target: said[0], content })).await;
    send(server, "ada", room, delete(said[1])).await;
    let base = boot(server, "bob").await.rooms[0].unread_base.unwrap();
    assert_eq!((base.unread, base.mentions, base.as_of), (3, 0, Seq::new(7)));
}

async fn set(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    settings: RoomSettings,
) -> Result<RoomSettings, RequestError> {
    let update = SettingsUpdate { settings, version: None };
    Ok(update_settings(server, by, room, update).await?.settings)
}

async fn update_settings(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    update: SettingsUpdate,
) -> Result<SettingsUpdate, RequestError> {
    match server.request(by, Request::SetSettings(room, update)).await? {
        Response::Settings(now) => Ok(now),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn settings_that_come_too_late_take_back_no_later_ones(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let start = cursor(server, "ada").await;
    let muted = RoomSettings { muted: true, ..RoomSettings::default() };
    let of = |version, settings| SettingsUpdate { settings, version: Some(version) };
    let first = update_settings(server, "ada", room, of(0, muted)).await.unwrap();
    assert_eq!(first, of(1, muted));
    let late = of(0, RoomSettings::default());
    assert_eq!(update_settings(server, "ada", room, late).await.unwrap(), of(1, muted));
    // Also where the one that came before it changed nothing.
    assert_eq!(update_settings(server, "ada", room, first).await.unwrap(), of(2, muted));
    let late = of(1, RoomSettings::default());
    assert_eq!(update_settings(server, "ada", room, late).await.unwrap(), of(2, muted));
    let page = read(server, "ada", &start).await;
    assert_eq!(page.settings, [SettingsNews { room, settings: muted, version: 2 }]);
    assert_eq!(boot(server, "ada").await.rooms[0].settings_version, 2);
}

pub(super) async fn settings_come_by_the_feed_to_their_user_alone(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let (adas, bobs) = (cursor(server, "ada").await, cursor(server, "bob").await);
    let muted = RoomSettings { muted: true, ..RoomSettings::default() };
    let pinned = RoomSettings { pinned: true, ..RoomSettings::default() };
    for settings in [muted, pinned, pinned] {
        assert_eq!(set(server, "ada", room, settings).await.unwrap(), settings);
    }
    let page = read(server, "ada", &adas).await;
    assert_eq!(page.settings.len(), 1);
    assert_eq!((page.settings[0].room, page.settings[0].settings), (room, pinned));
    assert!(page.events.is_empty() && page.limited.is_empty() && !page.more);
    assert!(read(server, "ada", &page.to).await.settings.is_empty());
    assert!(read(server, "bob", &bobs).await.settings.is_empty());
    assert_eq!(boot(server, "ada").await.rooms[0].settings, pinned);
    assert_eq!(boot(server, "bob").await.rooms[0].settings, RoomSettings::default());
    // What changes nothing is no news.
    let here = read(server, "ada", &adas).await.to;
    set(server, "ada", room, pinned).await.unwrap();
    let page = read(server, "ada", &here).await;
    assert_eq!((page.settings.len(), page.to), (0, here));
    // Members only, and nothing is left of them after a return.
    set(server, "bob", room, muted).await.unwrap();
    remove(server, "bob", room, "bob").await.unwrap();
    assert_eq!(code(set(server, "bob", room, pinned).await), ErrorCode::NotAMember);
    assert_eq!(code(set(server, "eve", room, pinned).await), ErrorCode::NotAMember);
    add(server, "ada", room, "bob").await.unwrap();
    let page = read(server, "bob", &bobs).await;
    assert_eq!((page.settings.len(), page.limited[0].settings), (0, RoomSettings::default()));
}

pub(super) async fn room_request(
    server: &mut impl Served,
    by: &str,
    request: Request,
) -> Result<tidewire::RoomState, RequestError> {
    match server.request(by, request).await? {
        Response::Room(state) => Ok(state),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_group_looks_as_its_owners_want(server: &mut impl Served) {
    let there = group(server, "ada", &["bob"]).await;
    let looks = |name: Option<&str>| RoomUpdate {
        name: name.map(Into::into),
        avatar_url: Some("https://img.example/h".into()),
    };
    let update = |looks| Request::UpdateRoom(there, looks);
    for _ in 0..2 {
        let state = room_request(server, "ada", update(looks(Some("Harbour")))).await.unwrap();
        assert_eq!((state.name.as_deref(), state.head_seq), (Some("Harbour"), Seq::new(2)));
    }
    let bobs = boot(server, "bob").await.rooms.remove(0);
    assert_eq!((bobs.avatar_url, bobs.name.as_deref()), (looks(None).avatar_url, Some("Harbour")));
    assert_eq!(bobs.last_event.unwrap().body(), Body::RoomUpdated(looks(Some("Harbour"))));
    let state = room_request(server, "ada", update(RoomUpdate::default())).await.unwrap();
    assert_eq!((state.name, state.avatar_url, state.head_seq), (None, None, Seq::new(3)));
    let by_bob = room_request(server, "bob", update(looks(None))).await;
    assert_eq!(code(by_bob), ErrorCode::Forbidden);
    let by_eve = room_request(server, "eve", update(looks(None))).await;
    assert_eq!(code(by_eve), ErrorCode::NotAMember);
    let long = room_request(server, "ada", update(looks(Some(&"x".repeat(257))))).await;
    assert_eq!(code(long), ErrorCode::InvalidContent);
    let direct = try_create(server, "ada", room(), RoomKind::Direct, &["bob"]).await.unwrap().id;
    let ours = room_request(server, "ada", Request::UpdateRoom(direct, looks(None))).await;
    assert_eq!(code(ours), ErrorCode::Forbidden);
}

pub(super) async fn owners_give_roles_and_the_last_one_stays(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let give = |to: &str, role| Request::SetRole(room, user(to), RoleUpdate { role });
    let last = room_request(server, "ada", give("ada", Role::Member)).await;
    assert_eq!(code(last), ErrorCode::Forbidden);
    let by_member = room_request(server, "bob", give("bob", Role::Owner)).await;
    assert_eq!(code(by_member), ErrorCode::Forbidden);
    let nobody = room_request(server, "ada", give("eve", Role::Owner)).await;
    assert_eq!(code(nobody), ErrorCode::InvalidContent);
    for _ in 0..2 {
        let state = room_request(server, "ada", give("bob", Role::Owner)).await.unwrap();
        assert_eq!(state.head_seq, Seq::new(2), "told once");
    }
    let bobs = boot(server, "bob").await.rooms.remove(0);
    assert_eq!(bobs.role, Role::Owner);
    match bobs.last_event.unwrap().body() {
        Body::MemberRole(change) => {
            assert_eq!((change.user, change.role), (user("bob"), Role::Owner));
        }
        other => panic!("{other:?}"),
    }
    let down = room_request(server, "bob", give("ada", Role::Member)).await.unwrap();
    assert_eq!(down.head_seq, Seq::new(3));
    let by_former = room_request(server, "ada", give("bob", Role::Member)).await;
    assert_eq!(code(by_former), ErrorCode::Forbidden);
    // Who was made an owner may delete what others wrote.
    let adas = talk(server, "ada", room, 1).await[0];
    send(server, "bob", room, delete(adas)).await;
}
