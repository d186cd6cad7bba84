//! What the user has set for a room. A wish is on disk before it shows, holds against what the
//! server says until the server has confirmed it, and is told as soon as there is a network: only
//! the newest of each room.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{RoomId, RoomSettings, SettingsNews, SettingsUpdate};

use super::heads::Heads;
use crate::engine::command::Reply;
use crate::engine::disk::commit::After;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::{CommandId, Request, RequestError, Response};
use crate::engine::{Engine, Phase, Purpose};
use crate::error::Error;

/// What is to change of a room's settings; the rest stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SettingsChange {
    /// Whether the room is muted.
    pub muted: Option<bool>,
    /// Whether it is pinned.
    pub pinned: Option<bool>,
    /// Whether it is archived.
    pub archived: Option<bool>,
}

impl SettingsChange {
    fn apply(self, to: RoomSettings) -> RoomSettings {
        RoomSettings {
            muted: self.muted.unwrap_or(to.muted),
            pinned: self.pinned.unwrap_or(to.pinned),
            archived: self.archived.unwrap_or(to.archived),
        }
    }
}

impl From<RoomSettings> for SettingsChange {
    fn from(settings: RoomSettings) -> Self {
        Self {
            muted: Some(settings.muted),
            pinned: Some(settings.pinned),
            archived: Some(settings.archived),
        }
    }
}

impl Engine {
    /// The user sets something. The app hears of it once the wish is on disk.
    pub(crate) fn set_settings(
        &mut self,
        command: CommandId,
        room: RoomId,
        change: SettingsChange,
    ) {
        let Some(head) = self.rooms.get(&room) else {
            self.reply(command, Err(Error::UnknownRoom(room)));
            return;
        };
        if !head.state.joined {
            self.reply(command, Err(Error::NotAMember(room)));
            return;
        }
        // On top of what is on its way to the disk.
        let (coming, wish) = (self.wish_in_flight(room), self.heads.wishes.get(&room).copied());
        let settings = change.apply(coming.or(wish).unwrap_or(head.state.settings));
        // What the server was last heard to have may be older than what it has, after a power loss even than
        // what the user set before: only of a wish on the disk is it sure that it is told.
        let is_there = wish == Some(settings) && coming.is_none() && !self.wish_ends(room);
        if is_there {
            self.reply(command, Ok(Reply::Done));
            return;
        }
        self.commit_wish(room, Some(settings), Some((command, Reply::Done)));
    }

    /// Each wish stands on its own: it is worth keeping whatever becomes of the cache.
    fn commit_wish(
        &mut self,
        room: RoomId,
        settings: Option<RoomSettings>,
        reply: Option<(CommandId, Reply)>,
    ) {
        let mut transaction =
            Transaction { durable: true, independent: true, ..Transaction::default() };
        transaction.push(Write::Wish { room, settings });
        self.commit(transaction, After { wish: Some((room, settings)), reply, ..After::default() });
    }

    /// Tells the server the next wish, one at a time, as what follows the settings known: a request that comes
    /// late, also one of an earlier life, takes back nothing.
    pub(crate) fn advance_settings(&mut self) {
        let known = self.cursor.is_some() && self.http_is_open() && self.auth.is_ready();
        if self.settings_told.is_some() || !known || !self.online() {
            return;
        }
        let next = self.heads.wishes.iter().find(|(room, _)| !self.wish_ends(**room));
        if let Some((room, settings)) = next.map(|(room, settings)| (*room, *settings)) {
            self.settings_told = Some((room, settings));
            let version = self.rooms.get(&room).map_or(0, |head| head.state.settings_version);
            let update = SettingsUpdate { settings, version: Some(version) };
            self.request(Request::SetSettings(room, update), Purpose::Settings(room, update));
        }
    }

    /// Whether the end of a room's wish is on its way to the disk.
    fn wish_ends(&self, room: RoomId) -> bool {
        self.commits.iter().any(|pending| pending.wish(room) == Some(None))
    }

    /// The last wish of a room that is on its way to the disk.
    fn wish_in_flight(&self, room: RoomId) -> Option<RoomSettings> {
        self.commits.iter().rev().find_map(|pending| pending.wish(room)).flatten()
    }

    pub(crate) fn settings_answered(
        &mut self,
        room: RoomId,
        told: SettingsUpdate,
        answer: Result<Response, RequestError>,
    ) {
        self.settings_told = None;
        if self.phase != Phase::Ready {
            // Told again once what is committed is known.
            return;
        }
        let confirmed = match answer {
            Ok(Response::Settings(now)) => Some(now),
            Ok(_) => return,
            Err(RequestError::Refused(error)) if !error.temporary && error.code.status() != 401 => {
                // Nothing to be wished for there any more.
                None
            }
            Err(error) => {
                self.http_failed(&error);
                return;
            }
        };
        self.http_backoff.reset();
        let (asked, now) = (self.answering, self.next_id);
        if let Some(answer) = confirmed
            && let Some(head) = self.rooms.get_mut(&room)
            // The feed may have told of a later change already.
            && head.settings_at.is_none_or(|at| at < asked)
        {
            let mut transaction = Transaction::default();
            let mut after = After::default();
            head.state.settings = answer.settings;
            head.state.settings_version = answer.version.unwrap_or_default();
            head.settings_at = Some(now);
            transaction.push(head.state_write());
            after.changed.insert(room);
            self.commit(transaction, after);
        }
        // Something else was set before: then this has to follow that. A server that calls it the same version
        // has no better answer.
        if confirmed.is_some_and(|answer| {
            answer.settings != told.settings && answer.version != told.version
        }) {
            return;
        }
        // The user may have changed his mind meanwhile.
        let newest = self.wish_in_flight(room).or(self.heads.wishes.get(&room).copied());
        if newest == Some(told.settings) {
            self.commit_wish(room, None, None);
        }
    }

    /// Takes what the feed tells of the user's own settings.
    pub(crate) fn merge_settings(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        news: SettingsNews,
    ) {
        let Some(room) = self.rooms.get_mut(&news.room) else { return };
        room.settings_at = Some(self.next_id);
        let known = (room.state.settings, room.state.settings_version);
        if known != (news.settings, news.version) {
            room.state.settings_version = news.version;
            room.state.settings = news.settings;
            transaction.push(room.state_write());
            after.changed.insert(news.room);
            self.rooms_changed = true;
        }
    }
}

impl Heads {
    pub(crate) fn set_wish(&mut self, room: RoomId, settings: Option<RoomSettings>) {
        match settings {
            Some(settings) => self.wishes.insert(room, settings),
            None => self.wishes.remove(&room),
        };
        self.touch(room);
    }
}
