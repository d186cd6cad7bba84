use std::sync::Arc;

use tidewire_protocol::Ephemeral;
use uuid::Uuid;

use super::*;
use crate::inbox::Inbox;
use crate::store::{Change as Membership, Logged, News, Roster};

pub(super) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn room() -> RoomId {
    RoomId::from_uuid(Uuid::nil())
}

fn sign(device: u32, app_state: AppState, heartbeat_ms: u64) -> Sign {
    Sign { device, app_state, heartbeat_ms }
}

pub(super) fn beat(heartbeat_ms: u64) -> Sign {
    sign(0, AppState::Foreground, heartbeat_ms)
}

fn presence() -> Presence {
    Presence::expecting(None, 100, Instant::now())
}

/// A change of a room's members at this place of the log.
fn entry(ord: u64, change: Membership) -> Entry {
    let json = serde_json::value::RawValue::from_string("{}".into()).unwrap().into();
    let seq = tidewire_protocol::Seq::new(ord);
    let news = News::Event(Logged { seq, json, change: Some(change) });
    Entry { shard: 0, ord, room: Some(room()), news }
}

/// A room that is watched by the first of its members, read at place 10 of the log.
fn watched(presence: &Presence, members: &[&str]) -> Arc<Inbox> {
    let inbox = Arc::new(Inbox::default());
    let mut state = presence.lock();
    state.watched.add(room(), &user(members[0]), &inbox);
    let members = members.iter().map(|name| (user(name), 1, None)).collect();
    state.watched.loaded(room(), Roster { as_of: 10, members }, Vec::new(), 0);
    inbox
}

fn told(presence: &Presence, reader: &str, since: Option<&str>, now: Instant) -> Ephemeral {
    let state = presence.lock();
    state.watched.told(&state.users, &user(reader), &[room()], since, now).ephemeral
}

fn states(inbox: &Inbox) -> Vec<(String, PresenceState)> {
    let news = inbox.take_moments().presence.into_values();
    let mut states: Vec<_> = news.map(|news| (news.user.to_string(), news.state)).collect();
    states.sort_by(|a, b| a.0.cmp(&b.0));
    states
}

#[test]
fn a_user_counts_for_two_and_a_half_heartbeats() {
    let presence = presence();
    let start = Instant::now();
    presence.seen(&user("ada"), beat(10_000), start);
    presence.seen(&user("ada"), beat(2_000), start);
    assert_eq!(presence.online(start + Duration::from_millis(24_999)), 1);
    assert_eq!(presence.online(start + Duration::from_millis(25_000)), 0);
}

#[test]
fn a_user_with_sockets_counts_once_and_a_while_after_the_last_one() {
    let presence = presence();
    let start = Instant::now();
    let ada = user("ada");
    presence.socket_opened(&ada, beat(1_000), start);
    presence.socket_opened(&ada, beat(1_000), start);
    presence.seen(&ada, beat(1_000), start);
    let later = start + Duration::from_secs(3_600);
    assert_eq!(presence.online(later), 1);
    presence.socket_closed(&ada, beat(1_000), later);
    assert_eq!(presence.online(later + Duration::from_secs(60)), 1);
    presence.socket_closed(&ada, beat(1_000), later + Duration::from_secs(60));
    assert_eq!(presence.online(later + Duration::from_secs(61)), 1);
    assert_eq!(presence.online(later + Duration::from_millis(62_500)), 0);
}

#[test]
fn those_of_before_a_restart_count_until_their_time_runs_out() {
    let start = Instant::now();
    let presence = Presence::expecting(Some((2, Duration::from_secs(75))), 100, start);
    let users = ["ada", "bob", "cyd"].map(user);
    presence.socket_opened(&users[0], beat(1_000), start);
    assert_eq!(presence.online(start), 2);
    let fresh = Duration::from_secs(75);
    let later = start + Duration::from_secs(70);
    let remembered = presence.to_remember(fresh, later);
    assert_eq!(remembered, (2, Duration::from_secs(5)), "it is as old as before");
    presence.socket_opened(&users[1], beat(1_000), start);
    presence.socket_opened(&users[2], beat(1_000), start);
    assert_eq!(presence.online(start), 3);
    assert_eq!(presence.to_remember(fresh, later), (3, fresh));
    presence.socket_closed(&users[1], beat(1_000), start);
    presence.socket_closed(&users[2], beat(1_000), start);
    assert_eq!(presence.online(start + Duration::from_secs(74)), 2);
    assert_eq!(presence.online(start + Duration::from_secs(75)), 1);
}

#[test]
fn a_declared_heartbeat_outside_of_the_limits_is_cut() {
    assert_eq!(silence(0), Duration::from_millis(2_500));
    assert_eq!(silence(u64::MAX), Duration::from_secs(1_500));
}

#[test]
fn a_user_is_away_when_every_device_is_in_the_background() {
    let presence = presence();
    let inbox = watched(&presence, &["ada", "bob"]);
    let start = Instant::now();
    let bob = user("bob");
    let at = |seconds| start + Duration::from_secs(seconds);
    presence.socket_opened(&bob, sign(1, AppState::Foreground, 30_000), start);
    assert_eq!(states(&inbox), [("bob".into(), PresenceState::Online)]);
    presence.seen(&bob, sign(2, AppState::Foreground, 30_000), at(1));
    presence.socket_said(&bob, sign(1, AppState::Background, 60_000), at(2));
    assert_eq!(states(&inbox), [], "the other device is in the foreground");
    presence.seen(&bob, sign(2, AppState::Background, 60_000), at(3));
    assert_eq!(states(&inbox), [("bob".into(), PresenceState::Away)]);
    presence.socket_closed(&bob, sign(1, AppState::Background, 60_000), at(4));
    presence.expire(at(150));
    assert_eq!(states(&inbox), []);
    presence.expire(at(4 + 150));
    let news = inbox.take_moments().presence.into_values().next().unwrap();
    assert_eq!(news.state, PresenceState::Offline);
    assert!(news.last_seen.is_some());
}

#[test]
fn a_connection_that_ends_late_says_nothing_of_where_the_app_is() {
    let presence = presence();
    let now = Instant::now();
    let (back, front) =
        (sign(1, AppState::Background, 60_000), sign(1, AppState::Foreground, 30_000));
    presence.socket_opened(&user("bob"), back, now);
    let inbox = watched(&presence, &["ada", "bob"]);
    states(&inbox);
    // The app comes back: its new connection is faster than the end of the old one.
    presence.socket_opened(&user("bob"), front, now);
    presence.socket_closed(&user("bob"), back, now);
    assert_eq!(states(&inbox), [("bob".to_owned(), PresenceState::Online)]);
}

#[test]
fn a_heartbeat_that_changes_nothing_is_told_to_nobody() {
    let presence = presence();
    let inbox = watched(&presence, &["ada", "bob", "cyd"]);
    let start = Instant::now();
    for second in 0..100 {
        presence.seen(&user("bob"), beat(30_000), start + Duration::from_secs(second));
    }
    assert_eq!(states(&inbox), [("bob".into(), PresenceState::Online)]);
    assert!(!inbox.has_moments());
    presence.seen(&user("eve"), beat(30_000), start);
    presence.seen(&user("ada"), beat(30_000), start);
    assert!(!inbox.has_moments(), "neither strangers nor oneself");
}

#[test]
fn who_asks_gets_everybody_first_and_then_what_has_changed() {
    let presence = presence();
    let start = Instant::now();
    let _inbox = watched(&presence, &["ada", "bob", "cyd"]);
    presence.seen(&user("bob"), beat(1_000), start);
    let first = told(&presence, "ada", None, start);
    assert_eq!(first.presence.len(), 2);
    let mark = first.to.unwrap();
    assert_eq!(told(&presence, "ada", Some(&mark), start), Ephemeral::default());
    presence.typing(&user("cyd"), &[TypingUpdate { room: room(), typing: true }], start);
    presence.expire(start + Duration::from_millis(2_500));
    let next = told(&presence, "ada", Some(&mark), start + Duration::from_secs(3));
    assert_eq!(next.presence.len(), 1);
    assert_eq!(next.presence[0].state, PresenceState::Offline);
    assert_eq!((&next.typing[0].user, next.typing[0].ttl_ms), (&user("cyd"), 12_000));
    let mark = next.to.unwrap();
    presence.sent(&user("cyd"), room(), start + Duration::from_secs(4));
    let stopped = told(&presence, "ada", Some(&mark), start + Duration::from_secs(5));
    assert_eq!((stopped.presence.len(), stopped.typing[0].ttl_ms), (0, 0));
    for rubbish in ["", "7", "x.y", "0.0", "ffffffff.ffff"] {
        assert_eq!(told(&presence, "ada", Some(rubbish), start).presence.len(), 2, "{rubbish}");
    }
}

#[test]
fn strangers_and_former_members_neither_hear_nor_are_heard() {
    let presence = presence();
    let inbox = watched(&presence, &["ada", "bob"]);
    let start = Instant::now();
    let types = |name: &str| {
        presence.typing(&user(name), &[TypingUpdate { room: room(), typing: true }], start);
        !inbox.take_moments().typing.is_empty()
    };
    assert!(types("bob") && !types("eve") && !types("ada"));
    assert_eq!(told(&presence, "eve", None, start).presence, []);
    presence.follow(&entry(11, Membership::Left(user("bob"))), BlockList::default());
    assert!(!types("bob"));
    presence.seen(&user("bob"), beat(1_000), start);
    assert!(!inbox.has_moments());
    presence.follow(&entry(12, Membership::Joined(user("eve"))), BlockList::default());
    assert_eq!(states(&inbox), [("eve".into(), PresenceState::Offline)]);
    assert!(types("eve"));
    // A change that was read with the roster is none.
    presence.follow(&entry(9, Membership::Left(user("eve"))), BlockList::default());
    assert!(types("eve"));
    presence.follow(&entry(13, Membership::Left(user("ada"))), BlockList::default());
    assert!(!types("eve"), "the watcher is out");
}

#[test]
fn who_comes_into_a_watched_room_hears_of_everybody_in_it() {
    let presence = presence();
    let inbox = watched(&presence, &["ada", "bob"]);
    let start = Instant::now();
    let mark = told(&presence, "ada", None, start).to.unwrap();
    presence.follow(&entry(11, Membership::Left(user("ada"))), BlockList::default());
    presence.seen(&user("bob"), beat(1_000), start);
    assert!(!inbox.has_moments());
    let since = told(&presence, "ada", Some(&mark), start).to.unwrap_or(mark);
    presence.follow(&entry(12, Membership::Joined(user("ada"))), BlockList::default());
    assert!(inbox.take_moments().shed, "the connection is told everything again");
    let news = told(&presence, "ada", Some(&since), start).presence;
    assert_eq!((news.len(), news[0].state), (1, PresenceState::Online));
}

#[test]
fn who_joins_is_told_with_the_last_sign_of_life_that_is_known() {
    let presence = presence();
    let inbox = watched(&presence, &["ada"]);
    let start = Instant::now();
    presence.seen(&user("bob"), beat(1_000), start);
    presence.expire(start + Duration::from_secs(3));
    presence.follow(&entry(11, Membership::Joined(user("bob"))), BlockList::default());
    let news = inbox.take_moments().presence.into_values().next().unwrap();
    assert_eq!(news.state, PresenceState::Offline);
    assert!(news.last_seen.is_some());
}

#[test]
fn a_room_that_is_read_later_is_news_to_all_who_hold_a_mark() {
    let presence = presence();
    let start = Instant::now();
    let mark = told(&presence, "ada", None, start).to.unwrap();
    let _inbox = watched(&presence, &["ada", "bob"]);
    assert_eq!(told(&presence, "ada", Some(&mark), start).presence.len(), 1);
}

#[test]
fn what_happens_while_the_members_are_read_is_not_lost() {
    let presence = presence();
    let inbox = Arc::new(Inbox::default());
    let start = Instant::now();
    presence.lock().watched.add(room(), &user("ada"), &inbox);
    presence.follow(&entry(9, Membership::Joined(user("bob"))), BlockList::default());
    presence.follow(&entry(11, Membership::Joined(user("cyd"))), BlockList::default());
    presence.follow(&entry(12, Membership::Left(user("bob"))), BlockList::default());
    let members = vec![(user("ada"), 1, None), (user("bob"), 9, None), (user("old"), 1, Some(5))];
    presence.lock().watched.loaded(room(), Roster { as_of: 10, members }, Vec::new(), 0);
    let here = told(&presence, "ada", None, start).presence;
    assert_eq!(here.iter().map(|p| p.user.as_str()).collect::<Vec<_>>(), ["cyd"]);
}

#[test]
fn a_room_above_the_limit_brings_nothing_until_it_is_small_again() {
    let presence = Presence::expecting(None, 3, Instant::now());
    assert_eq!(presence.members(), 3);
    let inbox = watched(&presence, &["ada", "bob", "cyd"]);
    let start = Instant::now();
    presence.follow(&entry(11, Membership::Joined(user("dan"))), BlockList::default());
    presence.seen(&user("bob"), beat(1_000), start);
    presence.typing(&user("bob"), &[TypingUpdate { room: room(), typing: true }], start);
    assert!(!inbox.has_moments());
    assert_eq!(told(&presence, "ada", None, start).presence, []);
    presence.follow(&entry(12, Membership::Left(user("dan"))), BlockList::default());
    // Its members are read again: whom they have blocked was not followed meanwhile.
    assert!(inbox.take_moments().shed, "the connection is told everything again");
    let members = ["ada", "bob", "cyd"].map(|name| (user(name), 1, None)).to_vec();
    presence.lock().watched.loaded(room(), Roster { as_of: 12, members }, Vec::new(), 0);
    let mut here = told(&presence, "ada", None, start).presence;
    here.sort_by(|a, b| a.user.cmp(&b.user));
    let here: Vec<_> = here.iter().map(|news| (news.user.as_str(), news.state)).collect();
    assert_eq!(here, [("bob", PresenceState::Online), ("cyd", PresenceState::Offline)]);
    assert_eq!(Presence::expecting(None, u32::MAX, start).members(), 100);
}

#[test]
fn two_of_whom_one_has_blocked_the_other_hear_nothing_of_each_other() {
    let presence = presence();
    let start = Instant::now();
    let inbox = Arc::new(Inbox::default());
    presence.lock().watched.add(room(), &user("ada"), &inbox);
    let list = |version, names: &[&str]| BlockList {
        version,
        users: names.iter().map(|name| user(name)).collect(),
    };
    // Cyd comes while the members are read, and has blocked her.
    presence.follow(&entry(11, Membership::Joined(user("cyd"))), list(1, &["ada"]));
    let members = ["ada", "bob"].map(|name| (user(name), 1, None)).to_vec();
    let blocks = vec![(user("ada"), list(1, &["bob"]))];
    presence.lock().watched.loaded(room(), Roster { as_of: 10, members }, blocks, 0);
    for name in ["bob", "cyd"] {
        presence.seen(&user(name), beat(1_000), start);
        presence.typing(&user(name), &[TypingUpdate { room: room(), typing: true }], start);
    }
    assert!(!inbox.has_moments());
    let here = told(&presence, "ada", None, start);
    let gone = |news: &PeerPresence| (news.state, news.last_seen) == (PresenceState::Offline, None);
    assert!(here.presence.len() == 2 && here.presence.iter().all(gone) && here.typing.is_empty());
    // The two of whom neither has blocked the other hear of each other as ever.
    let online = |news: &PeerPresence| news.state == PresenceState::Online;
    assert_eq!(
        told(&presence, "bob", None, start).presence.iter().filter(|n| online(n)).count(),
        1
    );
    // An end is heard at once, and what was read before it is not believed.
    let mark = here.to.unwrap();
    presence.blocks_changed(&user("ada"), &Arc::new(list(2, &[])));
    assert!(inbox.take_moments().shed, "the connection is told everything again");
    let here = told(&presence, "ada", Some(&mark), start).presence;
    assert_eq!(here.iter().filter(|news| online(news)).count(), 1);
    presence.blocks_changed(&user("ada"), &Arc::new(list(1, &["bob"])));
    assert!(!inbox.has_moments(), "it is older");
    let other = RoomId::from_uuid(Uuid::from_u128(1));
    let mut state = presence.lock();
    state.watched.add(other, &user("ada"), &inbox);
    let roster = Roster { as_of: 10, members: vec![(user("ada"), 1, None)] };
    state.watched.loaded(other, roster, Vec::new(), 0);
    assert!(state.watched.is_loading(other), "lists have changed since it was read");
}

#[test]
fn a_thousand_typing_updates_a_second_are_told_as_a_few() {
    let presence = presence();
    let inbox = watched(&presence, &["ada", "bob"]);
    let start = Instant::now();
    let mut told = 0;
    for n in 0..1_000 {
        let update = TypingUpdate { room: room(), typing: n % 2 == 0 };
        presence.typing(&user("bob"), &[update], start + Duration::from_millis(n));
        told += usize::from(inbox.has_moments());
        inbox.take_moments();
    }
    assert!(told <= 12, "{told}");
}

#[test]
fn a_thousand_changes_of_the_app_a_second_are_told_as_a_few() {
    let presence = presence();
    let inbox = watched(&presence, &["ada", "bob"]);
    let start = Instant::now();
    let mut told = 0;
    for n in 0..1_000 {
        let app_state = if n % 2 == 0 { AppState::Foreground } else { AppState::Background };
        presence.seen(&user("bob"), sign(1, app_state, 30_000), start + Duration::from_millis(n));
        told += usize::from(inbox.has_moments());
        inbox.take_moments();
    }
    assert!(told <= 12, "{told}");
    presence.expire(start + Duration::from_secs(1));
    assert_eq!(
        states(&inbox),
        [("bob".into(), PresenceState::Away)],
        "the last one, with the tick"
    );
    presence.expire(start + Duration::from_secs(2));
    assert!(!inbox.has_moments());
}

#[test]
fn who_is_here_for_long_is_written_too() {
    let presence = presence();
    let start = Instant::now();
    presence.socket_opened(&user("ada"), beat(30_000), start);
    presence.seen(&user("bob"), beat(600_000), start);
    let last = |name: &str| presence.lock().ledger.last(&user(name));
    let writing = presence.lock().ledger.all();
    presence.lock().ledger.written(&writing);
    assert_eq!((last("ada"), last("bob")), (None, None));
    presence.note_everybody(start + Duration::from_secs(600));
    let (ada, bob) = (last("ada").unwrap(), last("bob").unwrap());
    assert!((599_000..601_000).contains(&(ada - bob)), "a socket is a sign of life: {}", ada - bob);
}

#[test]
fn nothing_is_kept_of_rooms_that_nobody_watches_any_more() {
    let presence = presence();
    let inbox = watched(&presence, &["ada", "bob"]);
    let start = Instant::now();
    presence.lock().watched.lease(room(), &user("ada"), start);
    presence.lock().watched.remove(room(), &inbox);
    assert_eq!(presence.lock().watched.sizes(), (1, 2, 1));
    presence.expire(start + Duration::from_secs(3_600));
    assert_eq!(presence.lock().watched.sizes(), (0, 0, 0));
}

#[test]
fn a_user_with_ever_new_devices_does_not_fill_the_memory() {
    let presence = presence();
    let start = Instant::now();
    for device in 0..100_000 {
        presence.seen(&user("ada"), sign(device, AppState::Foreground, 600_000), start);
        presence.socket_opened(&user("eve"), sign(device, AppState::Foreground, 1_000), start);
    }
    assert_eq!(presence.lock().users.devices(), 32);
    for device in 0..100_000 {
        presence.socket_closed(&user("eve"), sign(device, AppState::Foreground, 1_000), start);
    }
    presence.expire(start + Duration::from_secs(3_600));
    assert_eq!(presence.lock().users.devices(), 0);
    assert_eq!(presence.online(start + Duration::from_secs(3_600)), 0);
}

#[test]
fn right_after_a_restart_nobody_is_told_of_as_gone_who_has_not_had_the_time_to_come_back() {
    let start = Instant::now();
    let lasts = Duration::from_secs(75);
    let presence = Presence::expecting(Some((3, lasts)), 100, start);
    let inbox = watched(&presence, &["ada", "bob", "eve", "kim"]);
    presence.socket_opened(&user("bob"), beat(30_000), start);
    let names = |told: &Ephemeral| {
        let names = told.presence.iter().map(|news| (news.user.to_string(), news.state));
        let mut names: Vec<_> = names.collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        names
    };
    let (online, offline) = (PresenceState::Online, PresenceState::Offline);
    let known = [("bob".to_owned(), online), ("kim".to_owned(), offline)];
    let (now, days) = (clock::now_ms(), 86_400_000);
    {
        let watched = &mut presence.lock().watched;
        watched.last_seen(&[user("eve"), user("kim")], &[Some(now - 30_000), Some(now - 2 * days)]);
    }
    let early = told(&presence, "ada", None, start);
    assert_eq!(names(&early), known, "who was away for days is not on his way back");
    assert!(!inbox.take_moments().shed);

    presence.expire(start + lasts);
    assert!(inbox.take_moments().shed, "those who listen are told everything anew");
    let late = names(&told(&presence, "ada", early.to.as_deref(), start + lasts));
    let [bob, kim] = known;
    assert_eq!(late, [bob, ("eve".to_owned(), offline), kim]);
}
