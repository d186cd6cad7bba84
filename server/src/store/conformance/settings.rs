//! Promises about what users set for themselves.

use tidewire_protocol::{RoomSettings, SettingsNews, SettingsUpdate};

use super::{Fixture, error, query, user};
use crate::store::{News, StoreError};

const MUTED: RoomSettings = RoomSettings { muted: true, pinned: false, archived: false };
const NONE: RoomSettings = RoomSettings { muted: false, pinned: false, archived: false };

/// Whatever there is.
fn any(settings: RoomSettings) -> SettingsUpdate {
    SettingsUpdate { settings, version: None }
}

fn after(version: u64, settings: RoomSettings) -> SettingsUpdate {
    SettingsUpdate { settings, version: Some(version) }
}

pub(super) async fn settings_are_their_users_alone_and_replaced_as_a_whole(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let other = f.group("ada", &["bob"]).await;
    for bits in 1..8 {
        let settings =
            RoomSettings { muted: bits & 1 > 0, pinned: bits & 2 > 0, archived: bits & 4 > 0 };
        let set = f.store.set_settings(room, user("ada"), any(settings)).await.unwrap();
        assert_eq!(set, after(bits, settings));
        assert_eq!(f.store.room(room, user("ada")).await.unwrap().settings, settings);
    }
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().settings, NONE);
    assert_eq!(f.store.room(other, user("ada")).await.unwrap().settings, NONE);
    let set = f.store.set_settings(room, user("ada"), any(NONE)).await.unwrap();
    assert_eq!(set, after(8, NONE));
    assert!(f.store.room(room, user("ada")).await.unwrap().settings.is_default());
}

pub(super) async fn settings_that_change_are_news_for_their_user_once(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let start = f.store.heads().await.unwrap();
    f.store.set_settings(room, user("ada"), any(NONE)).await.unwrap();
    assert_eq!(f.store.heads().await.unwrap(), start, "nothing has changed");
    f.store.set_settings(room, user("ada"), any(MUTED)).await.unwrap();
    f.say(room, "bob", 1).await;
    let last = RoomSettings { pinned: true, ..MUTED };
    f.store.set_settings(room, user("ada"), any(last)).await.unwrap();
    let heads = f.store.heads().await.unwrap();
    f.store.set_settings(room, user("ada"), any(last)).await.unwrap();
    assert_eq!(f.store.heads().await.unwrap(), heads, "a repeat writes nothing");
    let page = f.page("ada", &start, 50).await;
    assert_eq!(page.settings, [SettingsNews { room, settings: last, version: 2 }]);
    assert_eq!((page.events.len(), page.limited.len(), page.more), (1, 0, false));
    let next = f.page("ada", &page.to, 50).await;
    assert_eq!(next.weight(), 0);
    let bobs = f.page("bob", &start, 50).await;
    assert_eq!((bobs.settings.len(), bobs.events.len()), (0, 1));
    // It stands at one place of the log, with its user.
    let log = f.log_after(room, &start, 100).await;
    let told: Vec<_> = log
        .iter()
        .filter_map(|entry| match &entry.news {
            News::Settings(of, news) => Some((of.clone(), news.settings, entry.ord)),
            _ => None,
        })
        .collect();
    let shard = f.shards().await[&room];
    assert_eq!(told, [(user("ada"), last, heads.get(shard))]);
}

pub(super) async fn only_members_set_anything_and_come_back_without_it(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let set = |name: &str| f.store.set_settings(room, user(name), any(MUTED));
    assert_eq!(error(set("eve").await), StoreError::NotAMember);
    let start = f.store.heads().await.unwrap();
    set("bob").await.unwrap();
    f.store.remove_member(room, user("bob"), user("bob")).await.unwrap();
    assert_eq!(error(set("bob").await), StoreError::NotAMember);
    assert!(f.store.room(room, user("bob")).await.unwrap().settings.is_default());
    assert_eq!(f.page("bob", &start, 50).await.settings.len(), 0);
    f.store.add_members(room, user("ada"), vec![user("bob")]).await.unwrap();
    // What is set since the return is in the state that tells of it.
    set("bob").await.unwrap();
    let page = f.page("bob", &start, 50).await;
    assert_eq!(page.limited[0].settings, MUTED);
    assert_eq!(f.page("bob", &page.to, 50).await.weight(), 0);
}

pub(super) async fn pages_of_settings_together_are_all_of_them(f: &Fixture<'_>) {
    let mut rooms = Vec::new();
    for _ in 0..7 {
        rooms.push(f.group("ada", &[]).await);
    }
    let start = f.store.heads().await.unwrap();
    for room in &rooms {
        f.store.set_settings(*room, user("ada"), any(MUTED)).await.unwrap();
    }
    f.say(rooms[0], "ada", 3).await;
    f.store
        .set_settings(rooms[1], user("ada"), any(RoomSettings { archived: true, ..NONE }))
        .await
        .unwrap();
    let shards = f.shards().await;
    for limit in [1, 2, 5] {
        let (mut from, mut told, mut said) = (start.clone(), Vec::new(), 0);
        loop {
            let page = f.store.feed_page(query("ada", &from, limit)).await.unwrap();
            assert!(page.weight() <= limit);
            told.extend(page.settings.iter().map(|news| news.room));
            said += page.events.len() + page.limited.len();
            from = page.to.clone();
            if !page.more {
                break;
            }
        }
        let mut expected = rooms.clone();
        let moved = expected.remove(1);
        expected.push(moved);
        assert_eq!((told.len(), said > 0), (expected.len(), true), "{limit}");
        // In the order of the log, which is one of each shard.
        told.sort_by_key(|room| shards[room]);
        expected.sort_by_key(|room| shards[room]);
        assert_eq!(told, expected, "{limit}");
        assert_eq!(from, f.store.heads().await.unwrap());
    }
}

pub(super) async fn settings_that_follow_others_than_there_are_change_nothing(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let set = |update| f.store.set_settings(room, user("ada"), update);
    let start = f.store.heads().await.unwrap();
    assert_eq!(set(after(0, MUTED)).await.unwrap(), after(1, MUTED));
    let heads = f.store.heads().await.unwrap();
    assert_eq!(set(after(0, NONE)).await.unwrap(), after(1, MUTED), "it came too late");
    assert_eq!(set(after(2, NONE)).await.unwrap(), after(1, MUTED), "nobody has told of that");
    assert_eq!(f.store.heads().await.unwrap(), heads);
    // The same again is a version of its own: what was to follow the one before comes too late.
    assert_eq!(set(after(1, MUTED)).await.unwrap(), after(2, MUTED));
    assert_eq!(set(after(1, NONE)).await.unwrap(), after(2, MUTED));
    assert_eq!(f.store.room(room, user("ada")).await.unwrap().settings_version, 2);
    let page = f.page("ada", &start, 50).await;
    assert_eq!(page.settings, [SettingsNews { room, settings: MUTED, version: 2 }]);
}
