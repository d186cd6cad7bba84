//! Which rooms are watched: of their members the app hears presence, and of the rooms who types.
//! What should be watched is chosen here and nowhere else; whether a socket, an event stream or the
//! polls say so to the server follows from the mode.

use std::collections::BTreeSet;

use tidewire_protocol::{AppState, ClientFrame, RoomId, Watch, limits};

use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::rooms::room::Room;

/// What is watched.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    /// The most important first.
    rooms: Vec<RoomId>,
    chosen_at: Option<u64>,
    /// Whether they have to be chosen again at once: what is open has changed, or who is where.
    pub(crate) again: bool,
    /// When the open socket was last told.
    told_at: Option<u64>,
    /// Where the polls go on, and for which rooms that holds.
    since: Option<(String, BTreeSet<RoomId>)>,
}

impl Watching {
    pub(crate) fn rooms(&self) -> &[RoomId] {
        &self.rooms
    }

    pub(crate) fn has(&self, room: RoomId) -> bool {
        self.rooms.contains(&room)
    }

    /// What a poll asks for.
    pub(crate) fn for_poll(&self) -> Option<Watch> {
        let known = |(mark, rooms): &(String, BTreeSet<RoomId>)| {
            self.rooms.iter().all(|room| rooms.contains(room)).then(|| mark.clone())
        };
        let since = self.since.as_ref().and_then(known);
        (!self.rooms.is_empty()).then(|| Watch { rooms: self.rooms.clone(), since })
    }

    /// A poll that watched these rooms was answered, with another place to go on from or without.
    pub(crate) fn polled(&mut self, rooms: Vec<RoomId>, to: Option<String>) {
        let before = self.since.take().map(|(mark, _)| mark);
        let rooms = rooms.into_iter().collect();
        self.since = to.or(before).map(|mark| (mark, rooms));
    }

    /// What was told of rooms that do not stay has been forgotten: changes alone would not bring it
    /// back.
    pub(crate) fn retain_told(&mut self, stays: impl Fn(&RoomId) -> bool) {
        if let Some((_, rooms)) = &mut self.since {
            rooms.retain(stays);
        }
    }
}

impl Room {
    /// Whether presence and typing are to be had of it.
    pub(crate) fn is_ephemeral(&self, most: u32) -> bool {
        self.state.joined && (2..=most).contains(&self.state.members)
    }
}

impl Engine {
    /// Chooses what is watched, if there is a reason to: what is open at once, what is merely
    /// active now and then.
    pub(crate) fn advance_watch(&mut self) {
        // Nobody looks: nothing is to be told, and nothing that was told stays true for long.
        let looks = self.signals.app_state == AppState::Foreground && self.online();
        let wanted = if !looks {
            Vec::new()
        } else if self.watching.again || self.watch_is_old() {
            self.watching.chosen_at = Some(self.now.mono_ms);
            self.watch_wanted()
        } else {
            return;
        };
        let again = std::mem::take(&mut self.watching.again);
        let before: BTreeSet<&RoomId> = self.watching.rooms.iter().collect();
        let same = before.len() == wanted.len() && wanted.iter().all(|room| before.contains(room));
        if !looks {
            self.watching.chosen_at = None;
        }
        if !same {
            self.watching.rooms = wanted;
        }
        if !same || again {
            self.forget_strangers();
        }
    }

    fn watch_is_old(&self) -> bool {
        let pause = millis(defaults::WATCH_PAUSE);
        self.watching.chosen_at.is_none_or(|at| self.now.mono_ms >= at + pause)
    }

    /// The rooms nearest to the eye, but for those that bring nothing.
    fn watch_wanted(&mut self) -> Vec<RoomId> {
        let nearest = self.nearest_rooms().to_vec();
        let most = self.ephemeral_members;
        let fits = |id: &RoomId| self.rooms.get(id).is_some_and(|room| room.is_ephemeral(most));
        nearest.into_iter().filter(fits).collect()
    }

    /// Tells the open socket what is watched, if that is not what it knows.
    pub(crate) fn update_watch(&mut self) {
        let told = self.link.watched() == self.watching.rooms;
        if told || self.calms_down(self.watching.told_at) {
            return;
        }
        self.watching.told_at = Some(self.now.mono_ms);
        let rooms = self.watching.rooms.clone();
        self.link.watches(rooms.clone());
        self.send_frame(ClientFrame::Watch { rooms });
        self.forget_strangers();
    }

    /// The rooms of which the server tells at this moment, or will: also those that the open socket
    /// or stream was told of and that are not wanted any more. What comes of them is true.
    pub(crate) fn heard_of(&self) -> BTreeSet<RoomId> {
        let mut rooms: BTreeSet<RoomId> = self.watching.rooms.iter().copied().collect();
        rooms.extend(self.link.watched().iter().chain(self.stream.watched()).copied());
        rooms
    }

    /// The server told how large a room may be.
    pub(crate) fn told_ephemeral_members(&mut self, members: u32) {
        // Of the members of a larger one nothing is known here.
        let members = members.min(limits::EPHEMERAL_MEMBERS);
        if std::mem::replace(&mut self.ephemeral_members, members) != members {
            self.watching.again = true;
        }
    }
}
