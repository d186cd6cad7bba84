//! From the bell to the listeners: reads what is new in the log, in order, and hands it out. The
//! bell is only a hint; the heads are polled as well, so that a lost bell costs a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire_protocol::{RoomId, UserId, limits};
use tokio::time::MissedTickBehavior;

use crate::bus::{Bell, Bus};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::presence::Presence;
use crate::stop::Stop;
use crate::store::{Change, Entry, News, Roster, Store, StoreError};

/// How often the heads are polled: what a lost bell costs at most.
const POLL: Duration = Duration::from_secs(1);
/// Entries read at once.
const BATCH: usize = 512;
/// Rooms whose members are kept in memory: those with traffic.
const ROSTERS: usize = 10_000;

/// For each connection that is being told something. In `bench server --only fan-out` telling one took 10 µs of a
/// core; a little less, so that no core waits for news.
const TELLING: Duration = Duration::from_micros(8);
/// Timers are no finer: what few are told makes nothing wait.
const FINEST: Duration = Duration::from_millis(1);
/// What waits is handed out after so long at the latest.
const LONGEST_TELLING: Duration = Duration::from_millis(20);

/// How long so many connections are still being told what was handed out. What comes meanwhile would only stand
/// behind it, each with a frame of its own: handed out then, all of it goes with one.
fn telling(connections: usize) -> Duration {
    let connections = u32::try_from(connections).unwrap_or(u32::MAX);
    TELLING.saturating_mul(connections).min(LONGEST_TELLING)
}

/// The first and the last `ord` that concern a member.
type Range = (u64, Option<u64>);

fn holds((joined, left): Range, ord: u64) -> bool {
    joined <= ord && left.is_none_or(|left| ord <= left)
}

/// Who is to get the events of a room.
struct Members {
    as_of: u64,
    ranges: HashMap<UserId, Range>,
}

impl Members {
    fn of(roster: Roster) -> Self {
        let ranges = roster.members.into_iter();
        let ranges = ranges.map(|(user, joined, left)| (user, (joined, left))).collect();
        Self { as_of: roster.as_of, ranges }
    }

    /// Follows an event, unless the roster was read after it.
    fn follow(&mut self, entry: &Entry) {
        if entry.ord <= self.as_of {
            return;
        }
        match entry.change() {
            Some(Change::Joined(user)) => {
                self.ranges.insert(user.clone(), (entry.ord, None));
            }
            Some(Change::Left(user)) => {
                if let Some((_, left)) = self.ranges.get_mut(user) {
                    *left = Some(entry.ord);
                }
            }
            Some(Change::Created) | None => {}
        }
    }

    /// Those in the room at this place of the log.
    fn present(&self, ord: u64) -> impl Iterator<Item = &UserId> {
        self.ranges.iter().filter(move |(_, range)| holds(**range, ord)).map(|(user, _)| user)
    }

    /// Whether members do not see each other's receipts at this place. Looks no further than it must:
    /// each of many members may tell of a receipt a second.
    fn is_large(&self, ord: u64) -> bool {
        self.present(ord).nth(limits::RECEIPT_MEMBERS as usize).is_some()
    }

    /// Those whom an entry is news for: of a receipt in a large room, and of settings
    /// anywhere, only their own user.
    fn concerned<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = &'a UserId> {
        let own = match &entry.news {
            News::Receipt(receipt) if self.is_large(entry.ord) => Some(&receipt.user),
            News::Settings(user, _) => Some(user),
            _ => None,
        };
        let all = own.is_none().then(|| self.present(entry.ord));
        let own = own.and_then(|user| self.ranges.get_key_value(user));
        let own = own.filter(|(_, range)| holds(**range, entry.ord)).map(|(user, _)| user);
        own.into_iter().chain(all.into_iter().flatten())
    }

    /// Forgets those whose last event has been handed out.
    fn forget(&mut self, entry: &Entry) {
        if matches!(entry.change(), Some(Change::Left(_))) {
            self.ranges.retain(|_, (_, left)| left.is_none_or(|left| left > entry.ord));
        }
    }
}

/// Hands out what is new in the log.
pub(crate) struct Applier {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    hub: Arc<Hub>,
    presence: Arc<Presence>,
    metrics: Arc<Metrics>,
    rosters: HashMap<RoomId, Members>,
    /// Connections that were told something since the last pause.
    told: usize,
}

impl Applier {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        hub: Arc<Hub>,
        presence: Arc<Presence>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { store, bus, hub, presence, metrics, rosters: HashMap::new(), told: 0 }
    }

    /// Runs until `stop`.
    pub(crate) async fn run(mut self, mut bell: Bell, mut stop: Stop) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let result = tokio::select! {
                () = stop.requested() => return,
                rung = bell.changed() => match rung {
                    Ok(()) => self.apply(&mut bell).await,
                    Err(_) => return,
                },
                _ = poll.tick() => self.poll(&mut bell).await,
            };
            if let Err(error) = result {
                tracing::warn!(%error, "the log could not be read, trying again in a second");
            }
            let pause = telling(std::mem::take(&mut self.told));
            if pause >= FINEST {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Looks for what no bell has told.
    async fn poll(&mut self, bell: &mut Bell) -> Result<(), StoreError> {
        let heads = self.store.heads().await?;
        for (shard, head) in heads.iter().enumerate() {
            if head > self.hub.applied().get(shard) {
                self.bus.ring(shard, head);
            }
        }
        self.apply(bell).await
    }

    /// Reads the shards of which the bell has told something.
    async fn apply(&mut self, bell: &mut Bell) -> Result<(), StoreError> {
        let begun = Instant::now();
        let told = bell.borrow_and_update().clone();
        for shard in 0..self.store.shards() {
            if told.get(shard) <= self.hub.applied().get(shard) {
                continue;
            }
            loop {
                let applied = self.hub.applied().get(shard);
                let entries = self.store.log_after(shard, applied, BATCH).await?;
                let full = entries.len() == BATCH;
                for entry in entries {
                    self.hand_out(Arc::new(entry)).await?;
                    self.metrics.handed_out(begun.elapsed());
                }
                if !full {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn hand_out(&mut self, entry: Arc<Entry>) -> Result<(), StoreError> {
        let Some(room) = entry.room else {
            if let News::Blocks(user, list) = &entry.news {
                self.presence.blocks_changed(user, list);
                self.told += self.hub.dispatch(&entry, std::iter::once(user));
            }
            return Ok(());
        };
        if !self.rosters.contains_key(&room) {
            if self.rosters.len() >= ROSTERS {
                // Rooms with traffic come back by themselves, at one read each.
                self.rosters.clear();
            }
            let roster = self.store.roster(room).await?;
            self.rosters.insert(room, Members::of(roster));
        }
        // Of whoever comes it has to be known from whom he is kept apart before anybody hears of him.
        let comes = self.presence.comes(&entry);
        let blocks = match &comes {
            Some(user) => self.store.block_lists(vec![user.clone()]).await?.pop(),
            None => None,
        };
        if let Some(members) = self.rosters.get_mut(&room) {
            members.follow(&entry);
            self.presence.follow(&entry, blocks.unwrap_or_default());
            self.told += self.hub.dispatch(&entry, members.concerned(&entry));
            members.forget(&entry);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use tidewire_protocol::{Receipt, RoomSettings, Seq, SettingsNews};
    use uuid::Uuid;

    use super::*;
    use crate::store::Logged;

    fn entry(ord: u64, change: Option<Change>) -> Entry {
        let json = RawValue::from_string("{}".into()).unwrap().into();
        let room = RoomId::from_uuid(Uuid::nil());
        let event = Logged { seq: Seq::new(ord), json, change };
        Entry { shard: 0, ord, room: Some(room), news: News::Event(event) }
    }

    fn concerned(members: &Members, ord: u64) -> Vec<&str> {
        let mut names: Vec<&str> = members.present(ord).map(UserId::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn only_a_crowd_makes_what_comes_wait_and_never_for_long() {
        assert!(telling(0).is_zero());
        assert!(telling(100) < FINEST, "a timer would take longer");
        assert!(telling(1_000) >= FINEST && telling(1_000) < telling(2_000));
        assert_eq!(telling(usize::MAX), LONGEST_TELLING);
    }

    #[test]
    fn events_concern_those_who_are_in_at_their_place_also_when_the_roster_is_ahead() {
        let (ada, bob): (UserId, UserId) = ("ada".parse().unwrap(), "bob".parse().unwrap());
        // Read when Bob had joined at 3 and left at 5 already.
        let mut members = Members::of(Roster {
            as_of: 6,
            members: vec![(ada, 1, None), (bob.clone(), 3, Some(5))],
        });
        let left = entry(5, Some(Change::Left(bob.clone())));
        members.follow(&entry(3, Some(Change::Joined(bob.clone()))));
        assert_eq!(concerned(&members, 2), ["ada"]);
        assert_eq!(concerned(&members, 5), ["ada", "bob"], "the leave itself, too");
        assert_eq!(concerned(&members, 6), ["ada"]);
        members.follow(&left);
        members.forget(&left);
        assert_eq!(members.ranges.len(), 1);
        members.follow(&entry(7, Some(Change::Joined(bob.clone()))));
        assert_eq!(concerned(&members, 7), ["ada", "bob"]);
        members.follow(&entry(8, Some(Change::Left(bob))));
        assert_eq!(concerned(&members, 9), ["ada"]);
    }

    #[test]
    fn a_receipt_in_a_large_room_is_news_for_its_own_user_alone() {
        let most = limits::RECEIPT_MEMBERS as usize;
        for (count, heard) in [(most, most), (most + 1, 1)] {
            let user = |n: usize| -> UserId { format!("u{n}").parse().unwrap() };
            let members = (0..count).map(|n| (user(n), 1, None)).collect();
            let members = Members::of(Roster { as_of: 1, members });
            let room = RoomId::from_uuid(Uuid::nil());
            let receipt = Receipt::at(room, user(7), Seq::new(1));
            let receipt =
                Entry { shard: 0, ord: 2, room: Some(room), news: News::Receipt(receipt) };
            assert_eq!(members.concerned(&receipt).count(), heard);
            assert!(members.concerned(&receipt).any(|concerned| *concerned == user(7)));
            assert_eq!(members.concerned(&entry(3, None)).count(), count);
            let settings = SettingsNews { room, settings: RoomSettings::default(), version: 0 };
            for (of, heard) in [(user(7), vec![user(7)]), (user(count), vec![])] {
                let news = News::Settings(of, settings);
                let entry = Entry { shard: 0, ord: 2, room: Some(room), news };
                assert_eq!(members.concerned(&entry).cloned().collect::<Vec<_>>(), heard);
            }
        }
    }
}
