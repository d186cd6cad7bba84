//! Accounts and their sessions.

use futures::future::join_all;
use tidewire_protocol::{ProfileUpdate, SessionId, limits};
use uuid::Uuid;

use super::{Fixture, user};
use crate::auth::Revocation;
use crate::clock;
use crate::store::StoreError;
use crate::store::accounts::{Digest, NewSessionRow, Presented, Refreshed};

const HOUR: i64 = 3_600_000;

fn digest(generation: u32) -> Digest {
    [generation as u8; 32]
}

pub(crate) fn session(name: &str, device: Option<&str>) -> NewSessionRow {
    let now = clock::now_ms();
    NewSessionRow {
        id: SessionId::from_uuid(Uuid::now_v7()),
        user: user(name),
        device: device.map(str::to_owned),
        hash: digest(1),
        tokens_until: now + HOUR,
        expires_at: now + 100 * HOUR,
    }
}

fn presented(session: SessionId, generation: u32) -> Presented {
    let now = clock::now_ms();
    Presented {
        session,
        generation,
        hash: digest(generation),
        next_hash: digest(generation + 1),
        tokens_until: now + HOUR,
        expires_at: now + 100 * HOUR,
    }
}

fn given(name: &str, generation: u32, again: bool) -> Refreshed {
    Refreshed::Given { user: user(name), generation, again }
}

impl Fixture<'_> {
    async fn account(&self, name: &str) {
        self.store.create_account(user(name), "hash".into(), None).await.unwrap();
    }

    async fn begin(&self, name: &str) -> SessionId {
        let new = session(name, None);
        let id = new.id;
        assert!(self.store.begin_session(new, 1, None).await.unwrap());
        id
    }

    async fn refresh(&self, id: SessionId, generation: u32) -> Refreshed {
        self.store.refresh_session(presented(id, generation)).await.unwrap()
    }

    async fn open(&self, name: &str) -> Vec<SessionId> {
        let sessions = self.store.sessions(user(name)).await.unwrap();
        sessions.iter().map(|session| session.id).collect()
    }

    async fn ended(&self) -> Vec<SessionId> {
        let ended = self.store.ended_sessions((0, 0), clock::now_ms()).await.unwrap();
        ended.map_or_else(Vec::new, |(_, ids)| ids)
    }
}

pub(super) async fn of_those_who_want_a_name_at_once_one_gets_it(f: &Fixture<'_>) {
    assert_eq!(f.store.account(user("ada")).await.unwrap(), None);
    let wishes = (0..8).map(|n| {
        f.store.create_account(user("ada"), format!("hash {n}"), Some(format!("Ada {n}")))
    });
    let mut won = Vec::new();
    for (n, made) in join_all(wishes).await.into_iter().enumerate() {
        match made {
            Ok(profile) => won.push((n, profile)),
            Err(error) => assert_eq!(error, StoreError::UserTaken),
        }
    }
    let [(winner, profile)] = won.as_slice() else { panic!("{won:?}") };
    // Password and profile are of the same one.
    let account = f.store.account(user("ada")).await.unwrap().unwrap();
    assert_eq!((account.password, account.version), (format!("hash {winner}"), 1));
    assert_eq!(profile.name, Some(format!("Ada {winner}")));
    assert_eq!(f.store.profiles(vec![user("ada")]).await.unwrap(), std::slice::from_ref(profile));
}

pub(super) async fn nobody_gets_the_name_of_somebody_who_is_here_without_an_account(
    f: &Fixture<'_>,
) {
    let update = ProfileUpdate { name: Some("Ada".into()), avatar_url: None };
    f.store.set_profile(user("ada"), update).await.unwrap();
    f.store.put_last_seen(vec![(user("bob"), 5)]).await.unwrap();
    for name in ["ada", "bob"] {
        let made = f.store.create_account(user(name), "hash".into(), None).await;
        assert_eq!(made.unwrap_err(), StoreError::UserTaken, "{name}");
        assert_eq!(f.store.account(user(name)).await.unwrap(), None);
    }
    // Somebody has been waiting for her: that is no reason.
    f.group("bob", &["cyd"]).await;
    f.account("cyd").await;
}

pub(super) async fn a_session_begins_by_the_password_that_there_is(f: &Fixture<'_>) {
    f.account("ada").await;
    let phone = session("ada", Some("Phone"));
    assert!(f.store.begin_session(phone.clone(), 1, Some("by other rules".into())).await.unwrap());
    let account = f.store.account(user("ada")).await.unwrap().unwrap();
    assert_eq!((account.password.as_str(), account.version), ("by other rules", 1));
    let listed = f.store.sessions(user("ada")).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].device.as_deref()), (phone.id, Some("Phone")));
    assert_eq!(listed[0].created_at, listed[0].used_at);
    // It was changed while somebody signed in by the one before.
    assert!(f.store.set_password(user("ada"), 1, "other".into(), Some(phone.id)).await.unwrap());
    let late = f.store.begin_session(session("ada", None), 1, Some("late".into())).await;
    assert!(!late.unwrap());
    let account = f.store.account(user("ada")).await.unwrap().unwrap();
    assert_eq!((account.password.as_str(), account.version), ("other", 2));
    assert!(!f.store.begin_session(session("eve", None), 1, None).await.unwrap(), "no account");
    assert_eq!(f.open("ada").await, [phone.id]);
}

pub(super) async fn another_password_ends_all_other_sessions(f: &Fixture<'_>) {
    f.account("ada").await;
    f.account("bob").await;
    let (phone, tablet, of_bob) =
        (f.begin("ada").await, f.begin("ada").await, f.begin("bob").await);
    assert!(f.store.set_password(user("ada"), 1, "other".into(), Some(phone)).await.unwrap());
    assert!(!f.store.set_password(user("ada"), 1, "third".into(), None).await.unwrap(), "late");
    assert_eq!((f.open("ada").await, f.open("bob").await), (vec![phone], vec![of_bob]));
    assert_eq!(f.ended().await, [tablet]);
    assert_eq!(f.refresh(tablet, 1).await, Refreshed::Unknown);
    assert!(f.store.set_password(user("ada"), 2, "third".into(), None).await.unwrap());
    assert_eq!(f.open("ada").await, []);
}

pub(super) async fn a_lost_answer_is_given_again_until_its_tokens_are_shown(f: &Fixture<'_>) {
    f.account("ada").await;
    let id = f.begin("ada").await;
    assert_eq!(f.refresh(id, 1).await, given("ada", 2, false));
    for _ in 0..3 {
        assert_eq!(f.refresh(id, 1).await, given("ada", 2, true));
    }
    assert_eq!(f.refresh(id, 2).await, given("ada", 3, false));
    // However many ask at once, there is one next generation.
    let asked = join_all((0..8).map(|_| f.refresh(id, 3))).await;
    let news = asked.iter().filter(|refreshed| **refreshed == given("ada", 4, false)).count();
    let again = asked.iter().filter(|refreshed| **refreshed == given("ada", 4, true)).count();
    assert_eq!((news, again), (1, 7), "{asked:?}");
    // Shown or not: within a minute it may be a process beside.
    f.store.sessions_shown(vec![(id, 4), (SessionId::from_uuid(Uuid::nil()), 1)]).await.unwrap();
    assert_eq!(f.refresh(id, 3).await, given("ada", 4, true));
    f.store.sessions_shown(vec![(id, 2)]).await.unwrap();
    assert_eq!(f.refresh(id, 4).await, given("ada", 5, false));
}

pub(super) async fn a_refresh_token_that_comes_too_late_ends_its_session_for_good(f: &Fixture<'_>) {
    f.account("ada").await;
    let (id, other) = (f.begin("ada").await, f.begin("ada").await);
    for generation in 1..3 {
        f.refresh(id, generation).await;
    }
    assert_eq!(f.refresh(id, 1).await, Refreshed::Reused(user("ada")));
    for generation in 1..5 {
        assert_eq!(f.refresh(id, generation).await, Refreshed::Unknown);
    }
    assert_eq!((f.open("ada").await, f.ended().await), (vec![other], vec![id]));
    let forged = Presented { hash: digest(9), ..presented(other, 1) };
    assert_eq!(f.store.refresh_session(forged).await.unwrap(), Refreshed::Unknown);
    assert_eq!(f.refresh(other, 1).await, given("ada", 2, false), "and did no harm");
}

pub(super) async fn a_session_that_has_ended_is_told_until_its_tokens_have(f: &Fixture<'_>) {
    f.account("ada").await;
    let now = clock::now_ms();
    let (one, two) = (f.begin("ada").await, f.begin("ada").await);
    assert_eq!(f.store.ended_sessions((0, 0), now).await.unwrap(), None, "nothing yet");
    f.store.end_session(user("bob"), one).await.unwrap();
    assert_eq!(f.open("ada").await.len(), 2, "nobody ends another one's");
    f.store.end_session(user("ada"), one).await.unwrap();
    let (mark, ids) = f.store.ended_sessions((0, 0), now).await.unwrap().expect("news");
    assert_eq!(ids, [one]);
    f.store.end_session(user("ada"), one).await.unwrap();
    assert_eq!(f.store.ended_sessions(mark, now).await.unwrap(), None, "told once");
    f.store.end_session(user("ada"), two).await.unwrap();
    let (mark, ids) = f.store.ended_sessions(mark, now).await.unwrap().expect("news");
    assert_eq!(ids.len(), 2);
    // Their tokens have ended: there is nothing to tell any more.
    let (_, ids) = f.store.ended_sessions(mark, now + 2 * HOUR).await.unwrap().expect("other");
    assert_eq!(ids, []);
    f.store.close().await;
    let again = f.reopened().await;
    assert_eq!(again.ended_sessions((0, 0), now).await.unwrap().expect("still").1.len(), 2);
    again.close().await;
}

pub(super) async fn whose_tokens_are_taken_back_has_no_session_left(f: &Fixture<'_>) {
    f.account("ada").await;
    f.account("bob").await;
    let (id, of_bob) = (f.begin("ada").await, f.begin("bob").await);
    let now = clock::now_ms().unsigned_abs() / 1_000;
    let until = |until| Revocation::User { user: user("ada"), until };
    f.store.revoke(until(now - 3_600)).await.unwrap();
    assert_eq!(f.open("ada").await, [id], "it was begun later");
    f.store.revoke(until(now + 1)).await.unwrap();
    assert_eq!((f.open("ada").await, f.ended().await), (vec![], vec![id]));
    assert_eq!(f.refresh(id, 1).await, Refreshed::Unknown);
    assert_eq!(f.open("bob").await, [of_bob]);
}

pub(super) async fn a_user_has_only_so_many_sessions(f: &Fixture<'_>) {
    f.account("ada").await;
    let mut begun = Vec::new();
    for _ in 0..limits::SESSIONS {
        begun.push(f.begin("ada").await);
    }
    assert!(f.ended().await.is_empty());
    let many = join_all((0..5).map(|_| f.begin("ada"))).await;
    let (open, ended) = (f.open("ada").await, f.ended().await);
    assert_eq!((open.len(), ended.len()), (limits::SESSIONS, 5));
    assert!(many.iter().all(|id| open.contains(id)), "the new ones are there");
    assert!(ended.iter().all(|id| begun.contains(id)));
}

pub(super) async fn what_is_over_is_removed_and_nothing_else(f: &Fixture<'_>) {
    f.account("ada").await;
    let (open, ended) = (f.begin("ada").await, f.begin("ada").await);
    f.store.end_session(user("ada"), ended).await.unwrap();
    let now = clock::now_ms();
    f.store.forget_sessions(now).await.unwrap();
    assert_eq!(f.ended().await, [ended], "its tokens still hold");
    f.store.forget_sessions(now + 2 * HOUR).await.unwrap();
    assert_eq!((f.ended().await, f.open("ada").await), (vec![], vec![open]));
    f.store.forget_sessions(now + 101 * HOUR).await.unwrap();
    assert_eq!(f.open("ada").await, []);
    assert_eq!(f.refresh(open, 1).await, Refreshed::Unknown);
}
