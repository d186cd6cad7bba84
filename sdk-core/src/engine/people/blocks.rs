//! Whom the user has blocked. A wish is on disk before it shows, holds against what the server says until the server has
//! confirmed it, and is told as soon as there is a network, as wishes for rooms are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{BlockList, BlockQuery, InvalidBlock, RoomId, UserId, limits};

use crate::engine::command::Reply;
use crate::engine::disk::commit::After;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::{CommandId, Notice, Request, RequestError, Response};
use crate::engine::timeline::message::Message;
use crate::engine::timeline::window::Window;
use crate::engine::{Engine, Phase, Purpose};
use crate::error::Error;

/// That the user has blocked somebody, or does so no more, and the server has not confirmed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockWish {
    /// Whom it is about.
    pub user: UserId,
    /// Whether he is to be blocked.
    pub blocked: bool,
}

/// Those who are blocked, shared by all that show it.
pub(crate) type Blocked = Arc<BTreeSet<UserId>>;

/// A change as the server was told of it: whom, whether, and behind which version of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    user: UserId,
    blocked: bool,
    version: u64,
}

/// Whom the user has blocked.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// As the server told it last; nothing before it was heard. It may be on its way to the disk.
    list: Option<BlockList>,
    /// As it is on the disk.
    stored: BTreeSet<UserId>,
    wishes: BTreeMap<UserId, bool>,
    /// Whether the server is being asked, or told.
    asked: bool,
    /// A server that has no such list is asked no more.
    unknown_there: bool,
    /// What is shown: what is on the disk, with the wishes.
    shown: Blocked,
}

impl Blocks {
    pub(crate) fn shown(&self) -> &Blocked {
        &self.shown
    }

    /// Goes on from what is committed.
    pub(crate) fn load(&mut self, list: Option<BlockList>, wishes: Vec<BlockWish>) {
        self.stored = list.iter().flat_map(|list| list.users.iter().cloned()).collect();
        self.list = list;
        self.wishes = wishes.into_iter().map(|wish| (wish.user, wish.blocked)).collect();
    }

    /// The cache goes: what the server says is to be heard anew.
    pub(crate) fn wipe(&mut self) {
        self.list = None;
    }

    /// What was asked is heard by nobody any more.
    pub(crate) fn forget_asked(&mut self) {
        self.asked = false;
    }

    fn with_wishes(&self) -> BTreeSet<UserId> {
        let mut all = self.stored.clone();
        for (user, blocked) in &self.wishes {
            match blocked {
                true => all.insert(user.clone()),
                false => all.remove(user),
            };
        }
        all
    }
}

impl Message {
    /// Whether it is said by somebody who is blocked. What the server says of rooms and members is said by nobody.
    pub(crate) fn is_by(&self, blocked: &BTreeSet<UserId>) -> bool {
        !blocked.is_empty() && !self.kind.is_reserved() && blocked.contains(&self.sender)
    }
}

impl Engine {
    /// The user blocks somebody, or does so no more. The app hears of it once the wish is on disk.
    pub(crate) fn set_blocked(&mut self, command: CommandId, user: UserId, blocked: bool) {
        let invalid = |error: InvalidBlock| Err(Error::InvalidBlock(error));
        if user == self.config.user {
            self.reply(command, invalid(InvalidBlock::Oneself));
            return;
        }
        let shown = &self.blocks.shown;
        if blocked && shown.len() >= limits::BLOCKED_USERS && !shown.contains(&user) {
            self.reply(command, invalid(InvalidBlock::TooMany));
            return;
        }
        // What the server was last heard to have may be older than what it has: only of a wish on the disk is it
        // sure that it is told.
        let coming = self.commits.iter().rev().find_map(|pending| pending.block_wish(&user));
        let is_there = coming.is_none() && self.blocks.wishes.get(&user) == Some(&blocked);
        if is_there {
            self.reply(command, Ok(Reply::Done));
            return;
        }
        self.commit_block_wish(user, Some(blocked), Some((command, Reply::Done)));
    }

    /// Each wish stands on its own: it is worth keeping whatever becomes of the cache.
    fn commit_block_wish(
        &mut self,
        user: UserId,
        blocked: Option<bool>,
        reply: Option<(CommandId, Reply)>,
    ) {
        let mut transaction =
            Transaction { durable: true, independent: true, ..Transaction::default() };
        transaction.push(Write::BlockWish { user: user.clone(), blocked });
        let block_wish = Some((user, blocked));
        self.commit(transaction, After { block_wish, reply, ..After::default() });
    }

    /// Asks for the list where it was never heard, and tells the server the next wish, one at a time, as what follows
    /// the list known: a request that comes late, also one of an earlier life, takes back nothing.
    pub(crate) fn advance_blocks(&mut self) {
        let known = self.cursor.is_some() && self.http_is_open() && self.auth.is_ready();
        if self.blocks.asked || !known || !self.online() {
            return;
        }
        let Some(list) = &self.blocks.list else {
            if !self.blocks.unknown_there {
                self.blocks.asked = true;
                self.request(Request::Blocks, Purpose::Blocks(None));
            }
            return;
        };
        let version = list.version;
        let ends =
            |user: &UserId| self.commits.iter().any(|one| one.block_wish(user) == Some(None));
        let wishes = self.blocks.wishes.iter().filter(|(user, _)| !ends(user));
        // Those that make room in the list go first.
        let next = wishes.min_by_key(|(_, blocked)| **blocked);
        if let Some((user, blocked)) = next.map(|(user, blocked)| (user.clone(), *blocked)) {
            self.blocks.asked = true;
            let query = BlockQuery { version: Some(version) };
            let told = Told { user: user.clone(), blocked, version };
            let request = match blocked {
                true => Request::Block(user, query),
                false => Request::Unblock(user, query),
            };
            self.request(request, Purpose::Blocks(Some(told)));
        }
    }

    pub(crate) fn blocks_answered(
        &mut self,
        told: Option<Told>,
        answer: Result<Response, RequestError>,
    ) {
        self.blocks.asked = false;
        if self.phase != Phase::Ready {
            // Told again once what is committed is known.
            return;
        }
        let list = match answer {
            Ok(Response::Blocks(list)) => Some(list),
            Ok(_) => return,
            Err(RequestError::Refused(error)) if !error.temporary && error.code.status() != 401 => {
                None
            }
            Err(error) => {
                self.http_failed(&error);
                return;
            }
        };
        self.http_backoff.reset();
        let now = list.as_ref().map(|list| (list.version, list.users.clone()));
        match list {
            // Set back to an earlier moment it counts anew, or this answer was overtaken: what there is now is asked for.
            Some(list)
                if self.blocks.list.as_ref().is_some_and(|known| list.version < known.version) =>
            {
                self.blocks.list = None;
            }
            Some(list) => {
                let (mut transaction, mut after) = Default::default();
                self.take_blocks(&mut transaction, &mut after, list);
                self.commit(transaction, after);
            }
            None if told.is_none() => self.blocks.unknown_there = true,
            None => {}
        }
        let Some(Told { user, blocked, version }) = told else { return };
        // Something else was changed before: then this has to follow that. A server that calls it the same version
        // has no better answer.
        if now.is_some_and(|(now, users)| users.contains(&user) != blocked && now != version) {
            return;
        }
        // The user may have changed his mind meanwhile.
        let coming = self.commits.iter().rev().find_map(|pending| pending.block_wish(&user));
        if coming.unwrap_or(self.blocks.wishes.get(&user).copied()) == Some(blocked) {
            self.commit_block_wish(user, None, None);
        }
    }

    /// Takes what the server says, unless it is older than what is known.
    pub(crate) fn take_blocks(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        list: BlockList,
    ) {
        if self.blocks.list.as_ref().is_none_or(|known| known.version < list.version) {
            transaction.push(Write::Blocks(list.clone()));
            after.blocks = Some(list.users.iter().cloned().collect());
            self.blocks.list = Some(list);
        }
    }

    /// The disk has another list.
    pub(crate) fn blocks_stored(&mut self, users: BTreeSet<UserId>) {
        self.blocks.stored = users;
        self.show_blocks();
    }

    /// The disk has another wish.
    pub(crate) fn block_wish_stored(&mut self, user: UserId, blocked: Option<bool>) {
        match blocked {
            Some(blocked) => self.blocks.wishes.insert(user, blocked),
            None => self.blocks.wishes.remove(&user),
        };
        self.show_blocks();
    }

    /// Shows everywhere who is blocked now.
    pub(crate) fn show_blocks(&mut self) {
        let now = self.blocks.with_wishes();
        if now == *self.blocks.shown {
            return;
        }
        let before = std::mem::replace(&mut self.blocks.shown, Arc::new(now));
        let now = self.blocks.shown.clone();
        let other: BTreeSet<&UserId> = before.symmetric_difference(&now).collect();
        let said = |room: &RoomId| {
            let said = self.heads.rooms.get(room).and_then(|entry| entry.head.said.as_ref());
            said.is_some_and(|said| other.contains(&said.sender))
        };
        let rooms: Vec<RoomId> = self.heads.rooms.keys().copied().filter(said).collect();
        self.heads.dirty.extend(rooms);
        for key in self.windows.keys() {
            self.windows.get_mut(key).into_iter().for_each(|window: &mut Window| {
                window.set_blocked(now.clone());
            });
        }
        // The user's own doing never waits for a burst to end.
        for room in self.windows.rooms() {
            self.flush_room(room);
        }
        self.notify(Notice::BlockedChanged(now.iter().cloned().collect()));
    }

    /// What is known of it, for who looks for a fault.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn blocks_held(&self) -> &Blocks {
        &self.blocks
    }

    pub(crate) fn blocked(&self) -> Vec<UserId> {
        self.blocks.shown.iter().cloned().collect()
    }
}
