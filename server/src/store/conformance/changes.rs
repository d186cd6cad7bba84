//! Promises about what may change a message.

use tidewire_protocol::{
    ErrorCode, EventId, EventKind, MessageContent, NewRoom, Op, OpOutcome, RoomKind, Seq, limits,
};
use uuid::Uuid;

use super::{Fixture, delete, edit, message, op, reaction, reply, room_id, user};

fn nowhere() -> EventId {
    EventId::from_uuid(Uuid::now_v7())
}

fn quote(of: EventId) -> Op {
    let content = MessageContent { reply_to: Some(of), ..MessageContent::of_text("so?") };
    op(EventKind::Message, &content)
}

pub(super) async fn only_what_is_there_is_changed_quoted_or_answered(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let other = f.group("ada", &["bob"]).await;
    let elsewhere = f.send(other, "ada", message("elsewhere")).await;
    let poll = f.send(room, "ada", op("poll".into(), &"?")).await;
    let said = f.send(room, "ada", message("said")).await;
    let edited = f.send(room, "ada", edit(said, "better")).await;
    for target in [nowhere(), elsewhere, poll, edited] {
        let ops = [
            edit(target, "x"),
            delete(target),
            reaction(target, "+", false),
            reaction(target, "+", true),
            reply(target, "x"),
            quote(target),
        ];
        for op in ops {
            assert_eq!(f.refused(room, "ada", op).await, ErrorCode::UnknownMessage);
        }
    }
    // What comes earlier in the same request is there.
    let first = message("first");
    let ops = vec![
        first.clone(),
        quote(first.id),
        edit(first.id, "better"),
        reaction(first.id, "+", false),
        reply(first.id, "and"),
        delete(first.id),
        delete(nowhere()),
        message("behind"),
    ];
    let appended = f.append(room, "ada", ops).await;
    assert_eq!(appended.fresh, 6);
    assert_eq!(appended.results[7].outcome, OpOutcome::NotTried);
}

pub(super) async fn only_its_sender_edits_a_message_and_an_owner_may_delete_it(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let bobs = f.send(room, "bob", message("Bob's")).await;
    let adas = f.send(room, "ada", message("Ada's")).await;
    assert_eq!(f.refused(room, "ada", edit(bobs, "x")).await, ErrorCode::Forbidden);
    assert_eq!(f.refused(room, "cyd", delete(bobs)).await, ErrorCode::Forbidden);
    assert_eq!(f.refused(room, "bob", delete(adas)).await, ErrorCode::Forbidden);
    f.send(room, "bob", edit(bobs, "better")).await;
    f.send(room, "ada", delete(bobs)).await;
    f.send(room, "ada", delete(adas)).await;
    // Nobody owns a direct room.
    let id = room_id();
    let members = vec![user("bob")];
    let direct = NewRoom { id, kind: RoomKind::Direct, name: None, members };
    f.store.create_room(user("ada"), direct).await.unwrap();
    let bobs = f.send(id, "bob", message("Bob's")).await;
    assert_eq!(f.refused(id, "ada", delete(bobs)).await, ErrorCode::Forbidden);
    f.send(id, "bob", delete(bobs)).await;
}

pub(super) async fn what_was_deleted_is_neither_edited_nor_reacted_to(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let id = f.send(room, "ada", message("gone soon")).await;
    f.send(room, "bob", reaction(id, "+", false)).await;
    f.send(room, "ada", edit(id, "better")).await;
    f.send(room, "ada", delete(id)).await;
    assert_eq!(f.refused(room, "ada", edit(id, "again")).await, ErrorCode::MessageDeleted);
    for removed in [false, true] {
        let reaction = reaction(id, "+", removed);
        assert_eq!(f.refused(room, "bob", reaction).await, ErrorCode::MessageDeleted);
    }
    // A stranger's edit tells nothing of what became of it.
    assert_eq!(f.refused(room, "bob", edit(id, "mine")).await, ErrorCode::Forbidden);
    // It can still be quoted, and its thread goes on.
    f.send(room, "bob", quote(id)).await;
    f.send(room, "bob", reply(id, "too late")).await;
}

pub(super) async fn what_changes_nothing_is_not_written(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let id = f.send(room, "ada", message("x")).await;
    assert_eq!(f.refused(room, "bob", reaction(id, "+", true)).await, ErrorCode::NoChange);
    for _ in 0..3 {
        f.send(room, "bob", reaction(id, "+", false)).await;
        assert_eq!(f.refused(room, "bob", reaction(id, "+", false)).await, ErrorCode::NoChange);
        assert_eq!(f.refused(room, "ada", reaction(id, "+", true)).await, ErrorCode::NoChange);
        assert_eq!(f.refused(room, "bob", reaction(id, "-", true)).await, ErrorCode::NoChange);
        f.send(room, "bob", reaction(id, "+", true)).await;
        assert_eq!(f.refused(room, "bob", reaction(id, "+", true)).await, ErrorCode::NoChange);
    }
    f.send(room, "ada", delete(id)).await;
    assert_eq!(f.refused(room, "ada", delete(id)).await, ErrorCode::NoChange);
    // What is refused holds those behind it back, as ever.
    let appended = f.append(room, "ada", vec![delete(id), message("behind")]).await;
    assert_eq!(appended.results[1].outcome, OpOutcome::NotTried);
}

pub(super) async fn a_thread_hangs_on_a_message_that_stands_in_none(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let root = f.send(room, "ada", message("root")).await;
    let inside = f.send(room, "bob", reply(root, "inside")).await;
    assert_eq!(f.refused(room, "ada", reply(inside, "x")).await, ErrorCode::InvalidContent);
    // An edit does not move it: it stays in its thread, and the root stays outside.
    f.send(room, "bob", edit(inside, "still inside")).await;
    assert_eq!(f.refused(room, "ada", reply(inside, "x")).await, ErrorCode::InvalidContent);
    f.send(room, "ada", quote(inside)).await;
}

pub(super) async fn a_repeat_is_answered_as_first_whatever_has_happened_since(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let said = message("x");
    let ops = vec![
        said.clone(),
        reaction(said.id, "+", false),
        edit(said.id, "y"),
        reaction(said.id, "+", true),
        delete(said.id),
    ];
    let first = f.append(room, "ada", ops.clone()).await;
    assert_eq!(first.fresh, 5);
    for op in ops.iter().rev().cloned() {
        let again = f.append(room, "ada", vec![op]).await;
        assert_eq!(again.fresh, 0);
        assert!(first.results.contains(&again.results[0]));
    }
    assert_eq!(f.append(room, "ada", ops.clone()).await.results, first.results);
    // Also for one who is out by now.
    f.store.add_members(room, user("ada"), vec![user("cyd")]).await.unwrap();
    let cyds = message("Cyd's");
    let ops = vec![cyds.clone(), edit(cyds.id, "z")];
    let first = f.append(room, "cyd", ops.clone()).await;
    f.send(room, "ada", delete(cyds.id)).await;
    f.store.remove_member(room, user("cyd"), user("cyd")).await.unwrap();
    assert_eq!(f.append(room, "cyd", ops).await.results, first.results);
}

pub(super) async fn a_message_takes_only_so_many_different_reactions(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let id = f.send(room, "ada", message("x")).await;
    for n in 0..limits::REACTION_KEYS {
        f.send(room, ["ada", "bob"][n % 2], reaction(id, &n.to_string(), false)).await;
    }
    let one_more = || reaction(id, "more", false);
    assert_eq!(f.refused(room, "ada", one_more()).await, ErrorCode::InvalidContent);
    // One that is there already takes others, and one that goes makes room.
    f.send(room, "bob", reaction(id, "0", false)).await;
    f.send(room, "ada", reaction(id, "0", true)).await;
    assert_eq!(f.refused(room, "ada", one_more()).await, ErrorCode::InvalidContent);
    f.send(room, "bob", reaction(id, "0", true)).await;
    f.send(room, "ada", one_more()).await;
}

pub(super) async fn an_edit_mentions_nobody_and_no_change_counts_as_unread(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let calling = |text: &str| MessageContent {
        mentions: vec![user("bob")],
        ..MessageContent::of_text(text)
    };
    let id = f.send(room, "ada", op(EventKind::Message, &calling("@bob"))).await;
    let content = tidewire_protocol::EditContent { target: id, content: calling("@bob again") };
    f.send(room, "ada", op(EventKind::Edit, &content)).await;
    let quiet = f.send(room, "ada", message("nobody")).await;
    let content = tidewire_protocol::EditContent { target: quiet, content: calling("@bob now") };
    f.send(room, "ada", op(EventKind::Edit, &content)).await;
    f.send(room, "ada", reaction(id, "+", false)).await;
    f.send(room, "ada", reply(id, "in the thread")).await;
    let gone = f.send(room, "ada", message("gone")).await;
    f.send(room, "ada", delete(gone)).await;
    let base = f.store.room(room, user("bob")).await.unwrap().unread_base.unwrap();
    // Two in the room, one in a thread, one deleted.
    assert_eq!((base.unread, base.mentions, base.as_of), (4, 1, Seq::new(9)));
}
