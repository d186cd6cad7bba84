//! Open lists of rooms: what they are told, and when.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidewire_protocol::{Profile, RoomId, UserId};

use super::heads::{Entry, Head, Heads};
use super::list::{Facts, List, RoomListQuery, RoomListRow, Source, pending_state};
use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::command::Reply;
use crate::engine::effect::{CommandId, ListId, Notice};
use crate::engine::outbox::Outbox;
use crate::engine::people::blocks::Blocked;
use crate::engine::people::profiles::ProfileCache;
use crate::engine::time::Timer;
use crate::engine::timeline::message::Message;

/// What rows are made of.
struct Shelf<'a> {
    heads: &'a Heads,
    outbox: &'a Outbox,
    profiles: &'a ProfileCache,
    blocked: &'a Blocked,
    user: &'a UserId,
}

impl<'a> Shelf<'a> {
    fn entry(&self, room: RoomId) -> Option<&Entry> {
        self.heads.rooms.get(&room).filter(|entry| entry.head.joined)
    }

    /// What is known of the other one in a direct room.
    fn profile(&self, head: &Head) -> Option<&'a Profile> {
        self.profiles.get(head.peer.as_ref()?)
    }

    /// The user's own newest message that waits to be sent.
    fn own(&self, room: RoomId) -> Option<Message> {
        let rows = self.outbox.of_room(room);
        let holder = rows.iter().find(|row| row.failed.is_some() || row.holds_place());
        let holder = holder.map(|row| row.op.id);
        let message = |row: &&crate::engine::outbox::OutboxRow| {
            let message = Message::of_row(row, self.user, pending_state(row, holder));
            message.is_said().then_some(message)
        };
        rows.iter().rev().find_map(message)
    }

    /// The newest message, with whether its sender is blocked.
    fn said(&self, head: &Head) -> Option<Arc<Message>> {
        let said = head.said.as_ref()?;
        Some(match said.is_by(self.blocked) {
            true => Arc::new(Message { blocked: true, ..(**said).clone() }),
            false => said.clone(),
        })
    }

    fn at(&self, room: RoomId, entry: &Entry) -> i64 {
        let own = self.own(room).map(|message| message.at);
        let said = entry.head.said.as_ref().map(|message| message.at);
        own.max(said).unwrap_or(entry.head.created_at)
    }
}

impl Source for Shelf<'_> {
    fn facts(&self, room: RoomId) -> Option<Facts<'_>> {
        let entry = self.entry(room)?;
        let head = &entry.head;
        let peer = || {
            let named = self.profile(head).and_then(|profile| profile.name.as_deref());
            named.or(head.peer.as_ref().map(UserId::as_str)).unwrap_or_default()
        };
        Some(Facts {
            kind: head.kind,
            name: head.name.as_deref().unwrap_or_else(peer),
            settings: self.heads.settings(room, head),
            unread: entry.unread().any(),
            at: self.at(room, entry),
        })
    }

    fn row(&self, room: RoomId) -> Option<RoomListRow> {
        let entry = self.entry(room)?;
        let head = &entry.head;
        let failed = self.outbox.of_room(room).iter().any(|row| row.failed.is_some());
        Some(RoomListRow {
            room,
            kind: head.kind,
            name: head.name.clone(),
            avatar_url: head.avatar_url.clone(),
            peer: head.peer.clone(),
            profile: self.profile(head).cloned(),
            members: head.members,
            role: head.role,
            mute: head.mute,
            slow_mode_ms: head.slow_mode_ms,
            settings: self.heads.settings(room, head),
            unread: entry.unread(),
            last_message: self.own(room).map(Arc::new).or_else(|| self.said(head)),
            draft: self.heads.drafts.get(&room).cloned(),
            pending: self.outbox.pending(room),
            failed,
            at: self.at(room, entry),
        })
    }
}

impl Engine {
    fn shelf(&self) -> Shelf<'_> {
        let (heads, outbox, profiles) = (&self.heads, &self.outbox, &self.profiles);
        Shelf { heads, outbox, profiles, blocked: self.blocks.shown(), user: &self.config.user }
    }

    pub(crate) fn open_list(&mut self, command: CommandId, id: ListId, query: RoomListQuery) {
        let mut list = List::new(query);
        let all: BTreeSet<RoomId> = self.heads.rooms.keys().copied().collect();
        list.update(&all, &self.shelf());
        let reset = list.reset();
        self.lists.insert(id, list);
        self.notify(Notice::RoomList(id, reset));
        self.reply(command, Ok(Reply::Opened));
    }

    pub(crate) fn reset_list(&mut self, command: CommandId, id: ListId) {
        if let Some(reset) = self.lists.get(&id).map(List::reset) {
            self.notify(Notice::RoomList(id, reset));
        }
        self.reply(command, Ok(Reply::Done));
    }

    pub(crate) fn close_list(&mut self, id: ListId) {
        let Some(list) = self.lists.remove(&id) else { return };
        if !list.visible.is_empty() {
            // What another list shows is told again with the next scroll.
            self.set_visible(Vec::new());
        }
    }

    /// The app shows these rows of a list.
    pub(crate) fn show_rooms(
        &mut self,
        id: ListId,
        first: usize,
        count: usize,
        rooms: Vec<RoomId>,
    ) {
        let Some(list) = self.lists.get_mut(&id) else { return };
        list.show(first, count, rooms.clone());
        self.set_visible(rooms);
    }

    /// Brings the lists and the total up to date: at once after a quiet while, else a moment after
    /// the last time.
    pub(crate) fn flush_lists(&mut self) {
        let moved = self.lists.values().any(|list| list.moved);
        let known = self.rooms_known;
        let told = self.heads.told.is_some() && self.heads.told_known == known;
        let same = self.heads.dirty.is_empty() && !moved && told;
        if !self.loaded_once || same {
            self.timers.disarm(Timer::Lists);
            return;
        }
        let now = self.now.mono_ms;
        let due = self.lists_told_at.map_or(now, |at| at + millis(defaults::ROOM_LIST_PAUSE));
        if now < due {
            self.timers.arm(Timer::Lists, due);
            return;
        }
        self.timers.disarm(Timer::Lists);
        self.lists_told_at = Some(now);
        let dirty = std::mem::take(&mut self.heads.dirty);
        let mut lists = std::mem::take(&mut self.lists);
        for (id, list) in &mut lists {
            if let Some(update) = list.update(&dirty, &self.shelf()) {
                self.notify(Notice::RoomList(*id, update));
            }
        }
        self.lists = lists;
        for room in dirty {
            if self.heads.unread(room).exact {
                self.heads.inexact.remove(&room);
            } else {
                self.heads.inexact.insert(room);
            }
        }
        let total = self.unread_total();
        self.heads.told_known = known;
        if self.heads.told.replace(total) != Some(total) {
            self.notify(Notice::UnreadTotal(total));
        }
    }
}
