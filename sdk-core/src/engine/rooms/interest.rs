//! Which rooms are nearest to the eye: they are live in hybrid before all others, and watched for
//! presence and typing.

use std::cmp::Reverse;

use tidewire_protocol::{RoomId, UserId};

use super::room::Room;
use crate::defaults;
use crate::engine::Engine;

/// The user's rooms, the nearest first: open, visible, unread, recent.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    /// The rooms that the app shows in a list, from top to bottom.
    visible: Vec<RoomId>,
    order: Vec<RoomId>,
    /// Whether something that the order follows from has changed since.
    stale: bool,
}

impl Interest {
    pub(crate) fn changed(&mut self) {
        self.stale = true;
    }
}

impl Engine {
    /// The app shows these rooms in a list.
    pub(crate) fn set_visible(&mut self, mut rooms: Vec<RoomId>) {
        self.profiles.show_rooms(&rooms);
        rooms.truncate(defaults::MAX_WATCHED_ROOMS);
        if self.interest.visible != rooms {
            self.interest.visible = rooms;
            self.interest.changed();
            self.watching.again = true;
        }
    }

    /// The rooms nearest to the eye, at most [`defaults::MAX_WATCHED_ROOMS`].
    pub(crate) fn nearest_rooms(&mut self) -> &[RoomId] {
        if std::mem::take(&mut self.interest.stale) {
            self.interest.order = self.order_of_interest();
        }
        &self.interest.order
    }

    fn order_of_interest(&self) -> Vec<RoomId> {
        let open = self.windows.by_use();
        let joined = |id: &RoomId| self.rooms.get(id).is_some_and(|room| room.state.joined);
        let mut nearest = Vec::with_capacity(defaults::MAX_WATCHED_ROOMS);
        for id in open.iter().chain(&self.interest.visible) {
            if joined(id) && !nearest.contains(id) {
                nearest.push(*id);
            }
        }
        let left = defaults::MAX_WATCHED_ROOMS.saturating_sub(nearest.len());
        let others = self
            .rooms
            .iter()
            .filter(|(id, room)| room.state.joined && !nearest.contains(id))
            .map(|(id, room)| (room.distance(&self.config.user), *id));
        let others = smallest(others, left);
        nearest.truncate(defaults::MAX_WATCHED_ROOMS);
        nearest.extend(others.into_iter().map(|(_, id)| id));
        nearest
    }
}

impl Room {
    /// How far a room is that nobody looks at: first those with something unread, then by the time
    /// of their last event.
    fn distance(&self, user: &UserId) -> (bool, Reverse<i64>) {
        let last = self.state.last_event.as_ref().map_or(self.state.created_at, |event| event.at);
        (!self.is_unread(user), Reverse(last))
    }

    /// Whether somebody else said something that the user has not read, as far as is known.
    pub(crate) fn is_unread(&self, user: &UserId) -> bool {
        self.heard > self.read_up_to(user)
    }
}

/// The `most` smallest, in order: one pass over thousands of rooms, without sorting them.
fn smallest<T: Ord + Copy>(items: impl Iterator<Item = T>, most: usize) -> Vec<T> {
    let mut found: Vec<T> = Vec::with_capacity(most + 1);
    for item in items {
        if found.len() < most || found.last().is_some_and(|last| item < *last) {
            let place = found.partition_point(|other| *other < item);
            found.insert(place, item);
            found.truncate(most);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_come_in_order_whatever_order_they_came_in() {
        let mut rng = fastrand::Rng::with_seed(7);
        for most in 0..6 {
            let items: Vec<u8> = (0..rng.usize(0..12)).map(|_| rng.u8(0..9)).collect();
            let mut sorted = items.clone();
            sorted.sort_unstable();
            sorted.truncate(most);
            assert_eq!(smallest(items.into_iter(), most), sorted);
        }
    }
}
