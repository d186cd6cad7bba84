//! Promises about who may write in a group when: mutes and slow mode.

use std::time::Duration;

use tidewire_protocol::{
    Body, ErrorCode, EventKind, MemberChange, Mute, MuteChange, MuteRequest, NewRoom, Op,
    OpOutcome, Role, RoomId, RoomKind, RoomState, Seq, SlowMode, WireError,
};

use super::{Fixture, delete, edit, error, message, op, reaction, room_id, user};
use crate::clock::now_ms;
use crate::store::{EventJson, StoreError};

const HOUR: u64 = 3_600_000;

/// A group of Ada's in which Moe keeps order.
async fn moderated(f: &Fixture<'_>, members: &[&str]) -> RoomId {
    let room = f.group("ada", members).await;
    f.store.set_role(room, user("ada"), user("moe"), Role::Moderator).await.unwrap();
    room
}

impl Fixture<'_> {
    async fn mute(
        &self,
        room: RoomId,
        by: &str,
        name: &str,
        for_ms: Option<u64>,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let mute = MuteRequest { for_ms, reason: None };
        self.store.mute(room, user(by), user(name), mute).await
    }

    async fn slow(
        &self,
        room: RoomId,
        by: &str,
        interval_ms: u32,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.store.set_slow_mode(room, user(by), SlowMode { interval_ms }).await
    }

    /// What the first operation that is refused is told.
    async fn told(&self, room: RoomId, sender: &str, ops: Vec<Op>) -> WireError {
        let results = self.append(room, sender, ops).await.results;
        let refused = results.into_iter().find_map(|result| match result.outcome {
            OpOutcome::Refused { error } => Some(error),
            _ => None,
        });
        refused.expect("something is refused")
    }

    /// Sends once the clock lets it.
    async fn sends_in_the_end(&self, room: RoomId, sender: &str, op: Op) {
        loop {
            let result = self.append(room, sender, vec![op.clone()]).await.results.remove(0);
            let OpOutcome::Refused { error } = result.outcome else { return };
            // As long as it says itself: slow mode says for how long, a mute until when.
            let until = error.detail.and_then(|detail| detail.until);
            let left = until.map(|until| until.saturating_sub(now_ms()).max(0).unsigned_abs());
            let wait = error.retry_after_ms.or(left).expect("a time to come back");
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }
}

fn forbidden<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(error(result), StoreError::Forbidden(_))
}

fn invalid<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(error(result), StoreError::InvalidContent(_))
}

pub(super) async fn who_is_muted_reads_on_and_writes_nothing_until_it_ends(f: &Fixture<'_>) {
    let room = moderated(f, &["bob", "cyd", "moe"]).await;
    let kept = message("kept");
    let bobs = f.send(room, "bob", kept.clone()).await;
    let cyds = f.send(room, "cyd", message("c")).await;
    let state = f.mute(room, "moe", "bob", None).await.unwrap();
    assert_eq!((state.head_seq, state.mute), (Seq::new(5), None), "it is not the caller's");
    let change = MuteChange { user: user("bob"), mute: Mute { until: None } };
    let told = f.history(room, "bob").await.pop().unwrap();
    assert_eq!((told.sender.as_str(), told.body()), ("moe", Body::MemberMuted(change)));
    let mine = f.store.room(room, user("bob")).await.unwrap();
    assert_eq!(mine.mute, Some(Mute { until: None }));
    // Nothing of his is taken, whatever it is, but for taking back; and repeats are what they were.
    let own = op(EventKind::from("poll.vote"), &1);
    for refused in [message("x"), edit(bobs, "x"), reaction(cyds, "+", false), own] {
        let error = f.told(room, "bob", vec![refused]).await;
        assert_eq!((&error.code, error.temporary), (&ErrorCode::Muted, false));
        assert_eq!(error.detail.unwrap().until, None);
    }
    assert_eq!(f.append(room, "bob", vec![kept]).await.fresh, 0);
    f.send(room, "bob", delete(bobs)).await;
    f.send(room, "cyd", message("the others go on")).await;
    // In other rooms he writes.
    let other = f.group("ada", &["bob"]).await;
    f.send(other, "bob", message("here")).await;
    // What is said last holds.
    f.mute(room, "ada", "bob", Some(HOUR)).await.unwrap();
    let until = f.told(room, "bob", vec![message("x")]).await.detail.unwrap().until.unwrap();
    let told = f.history(room, "cyd").await.pop().unwrap();
    let change = MuteChange { user: user("bob"), mute: Mute { until: Some(until) } };
    assert_eq!((told.body(), until), (Body::MemberMuted(change), told.at + HOUR as i64));
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().mute.unwrap().until, Some(until));
    let page = f.store.members(room, user("cyd"), None).await.unwrap();
    let muted: Vec<_> = page.members.iter().filter(|m| m.mute.is_some()).collect();
    assert_eq!((muted.len(), &muted[0].user), (1, &user("bob")));
    // It outlasts a leave, and the process.
    f.store.remove_member(room, user("bob"), user("bob")).await.unwrap();
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().mute, None, "he is out");
    f.store.add_members(room, user("ada"), vec![user("bob")]).await.unwrap();
    assert_eq!(f.refused(room, "bob", message("x")).await, ErrorCode::Muted);
    let state = f.reopened().await.room(room, user("bob")).await.unwrap();
    assert_eq!(state.mute, Some(Mute { until: Some(until) }));
    // By itself it ends without a word.
    f.mute(room, "ada", "bob", Some(1)).await.unwrap();
    let head = f.store.room(room, user("ada")).await.unwrap().head_seq;
    f.sends_in_the_end(room, "bob", message("again")).await;
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().mute, None);
    let state = f.store.unmute(room, user("moe"), user("bob")).await.unwrap();
    assert_eq!(state.head_seq, head.next(), "only his message was written");
    assert_eq!(f.store.mutes(room, user("moe"), None).await.unwrap().mutes, []);
}

pub(super) async fn only_who_keeps_order_mutes_and_only_those_below(f: &Fixture<'_>) {
    let room = moderated(f, &["bob", "cyd", "moe", "mia"]).await;
    f.store.set_role(room, user("ada"), user("mia"), Role::Moderator).await.unwrap();
    let unmute = |by: &str, name: &str| f.store.unmute(room, user(by), user(name));
    for (by, name) in [("bob", "cyd"), ("moe", "mia"), ("moe", "ada"), ("moe", "moe")] {
        assert!(forbidden(f.mute(room, by, name, None).await), "{by} {name}");
    }
    assert_eq!(error(f.mute(room, "eve", "bob", None).await), StoreError::NotAMember);
    assert!(invalid(f.mute(room, "ada", "eve", None).await), "she is no member");
    for time in [0, 366 * 24 * HOUR + 1, u64::MAX] {
        assert!(invalid(f.mute(room, "ada", "bob", Some(time)).await), "{time}");
    }
    f.mute(room, "ada", "bob", Some(366 * 24 * HOUR)).await.unwrap();
    let long = MuteRequest { for_ms: None, reason: Some("x".repeat(1_025)) };
    assert!(invalid(f.store.mute(room, user("ada"), user("bob"), long).await));
    // What changes nothing is not told.
    for _ in 0..2 {
        assert_eq!(f.mute(room, "moe", "bob", None).await.unwrap().head_seq, Seq::new(5));
    }
    // A moderator who is muted does not give himself the word.
    f.mute(room, "ada", "moe", None).await.unwrap();
    assert_eq!(f.refused(room, "moe", message("x")).await, ErrorCode::Muted);
    assert!(forbidden(unmute("moe", "moe").await));
    assert!(forbidden(unmute("mia", "moe").await));
    assert!(forbidden(unmute("cyd", "bob").await));
    let head = f.store.room(room, user("ada")).await.unwrap().head_seq;
    for _ in 0..2 {
        assert_eq!(unmute("ada", "moe").await.unwrap().head_seq, head.next(), "told once");
    }
    let moe = MemberChange { user: user("moe") };
    assert_eq!(f.history(room, "cyd").await.pop().unwrap().body(), Body::MemberUnmuted(moe));
    f.send(room, "moe", message("back")).await;
    unmute("moe", "bob").await.unwrap();
    f.send(room, "bob", message("back")).await;
    let id = room_id();
    let direct = NewRoom { id, kind: RoomKind::Direct, name: None, members: vec![user("bob")] };
    f.store.create_room(user("ada"), direct).await.unwrap();
    assert!(forbidden(f.mute(id, "ada", "bob", None).await));
    assert!(forbidden(f.slow(id, "ada", 1_000).await));
}

pub(super) async fn only_who_keeps_order_sees_who_is_muted_in_pages(f: &Fixture<'_>) {
    let room = moderated(f, &["bob", "moe"]).await;
    let mutes = |by: &str, after: Option<&str>| f.store.mutes(room, user(by), after.map(user));
    assert_eq!(mutes("moe", None).await.unwrap().mutes, []);
    // A room of a few, but in pages as long as its history of mutes: those who left are among them.
    for n in 0..103 {
        let name = format!("u{n:03}");
        f.store.add_members(room, user("ada"), vec![user(&name)]).await.unwrap();
        let mute = MuteRequest { for_ms: None, reason: (n == 0).then(|| "spam".into()) };
        f.store.mute(room, user("moe"), user(&name), mute).await.unwrap();
        f.store.remove_member(room, user("ada"), user(&name)).await.unwrap();
    }
    let first = mutes("moe", None).await.unwrap();
    assert_eq!((first.mutes.len(), first.next.as_ref()), (100, Some(&user("u099"))));
    let muted = &first.mutes[0];
    assert_eq!((&muted.by, muted.reason.as_deref()), (&user("moe"), Some("spam")));
    assert_eq!((muted.mute, muted.at > 0), (Mute { until: None }, true));
    let rest = mutes("ada", Some("u099")).await.unwrap();
    assert_eq!((rest.mutes.len(), rest.next), (3, None));
    assert!(forbidden(mutes("bob", None).await));
    assert_eq!(error(mutes("u000", None).await), StoreError::NotAMember);
    let other = f.group("ada", &[]).await;
    assert_eq!(f.store.mutes(other, user("ada"), None).await.unwrap().mutes, []);
}

pub(super) async fn in_slow_mode_a_member_writes_once_in_the_interval(f: &Fixture<'_>) {
    let room = moderated(f, &["bob", "cyd", "moe"]).await;
    assert!(forbidden(f.slow(room, "bob", 1_000).await));
    assert!(invalid(f.slow(room, "ada", 21_600_001).await));
    let hour = u32::try_from(HOUR).unwrap();
    for _ in 0..2 {
        let state = f.slow(room, "moe", hour).await.unwrap();
        assert_eq!((state.slow_mode_ms, state.head_seq), (hour, Seq::new(3)), "told once");
    }
    let told = f.history(room, "bob").await.pop().unwrap();
    assert_eq!(told.body(), Body::RoomSlowMode(SlowMode { interval_ms: hour }));
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().slow_mode_ms, hour);
    // Of several at once the first is taken, and a repeat is what it was.
    let ops = vec![message("1"), message("2"), message("3")];
    let appended = f.append(room, "bob", ops.clone()).await;
    assert_eq!(appended.fresh, 1);
    assert_eq!(appended.results[2].outcome, OpOutcome::NotTried);
    assert_eq!(f.append(room, "bob", ops).await.fresh, 0);
    let error = f.told(room, "bob", vec![message("2")]).await;
    assert_eq!((&error.code, error.temporary), (&ErrorCode::SlowMode, true));
    assert!((1..=HOUR).contains(&error.retry_after_ms.unwrap()), "{error:?}");
    // Kinds of an app's own count as well; what changes a message does not.
    let own = op(EventKind::from("poll.open"), &1);
    assert_eq!(f.refused(room, "bob", own).await, ErrorCode::SlowMode);
    let bobs = f.send(room, "cyd", message("mine")).await;
    f.send(room, "cyd", edit(bobs, "better")).await;
    f.send(room, "cyd", reaction(bobs, "+", false)).await;
    f.send(room, "cyd", delete(bobs)).await;
    assert_eq!(f.refused(room, "cyd", message("x")).await, ErrorCode::SlowMode);
    // What can never be taken says so at once.
    let nothing = op(EventKind::Message, &serde_json::json!({"text": ""}));
    assert_eq!(f.refused(room, "bob", nothing).await, ErrorCode::InvalidContent);
    // Who keeps order does not wait, and nobody in other rooms.
    f.say(room, "moe", 3).await;
    f.say(room, "ada", 3).await;
    let other = f.group("ada", &["bob"]).await;
    f.say(other, "bob", 3).await;
    // It outlasts the process.
    let again = f.reopened().await;
    let results = again.append(room, user("bob"), vec![message("x")]).await.unwrap().results;
    assert!(matches!(results[0].outcome, OpOutcome::Refused { .. }));
    // A shorter one holds at once; without it nothing waits, and what it knew is gone.
    f.slow(room, "ada", 1).await.unwrap();
    f.sends_in_the_end(room, "bob", message("after a while")).await;
    f.slow(room, "ada", hour).await.unwrap();
    assert_eq!(f.refused(room, "bob", message("x")).await, ErrorCode::SlowMode);
    assert_eq!(f.slow(room, "ada", 0).await.unwrap().slow_mode_ms, 0);
    f.say(room, "bob", 3).await;
    f.slow(room, "ada", hour).await.unwrap();
    f.say(room, "bob", 1).await;
    assert_eq!(f.refused(room, "bob", message("x")).await, ErrorCode::SlowMode);
}

pub(super) async fn however_many_write_at_once_slow_mode_takes_one_of_each(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    f.slow(room, "ada", u32::try_from(HOUR).unwrap()).await.unwrap();
    let writes = (0..40).map(|n| {
        let name = if n % 2 == 0 { "bob" } else { "cyd" };
        f.store.append(room, user(name), vec![message("now")])
    });
    let all = futures::future::join_all(writes).await;
    let taken: usize = all.iter().map(|appended| appended.as_ref().unwrap().fresh).sum();
    assert_eq!(taken, 2);
}
