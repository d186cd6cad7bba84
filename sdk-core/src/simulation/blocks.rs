//! Whom users of the model server have blocked.

use tidewire_protocol::{
    BlockList, BlockQuery, ErrorCode, EventKind, InvalidBlock, Op, RoomKind, UserId, WireError,
    limits,
};

use super::server::{ModelRoom, ModelServer, News};

fn unblock_first() -> WireError {
    WireError::new(ErrorCode::UnblockFirst, "you have blocked this person: unblock first")
}

fn blocked() -> WireError {
    WireError::new(ErrorCode::Blocked, "this person cannot be reached")
}

impl ModelServer {
    /// Whom a user has blocked, and where that stands in the delivery log.
    pub(super) fn blocks_of(&self, user: &UserId) -> (BlockList, u64) {
        self.blocks.get(user).cloned().unwrap_or_default()
    }

    /// Whom a user has blocked.
    pub fn blocked_by(&self, user: &UserId) -> BlockList {
        self.blocks_of(user).0
    }

    /// Blocks somebody, or ends that, if the change follows the list that there is.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn set_blocked(
        &mut self,
        user: &UserId,
        other: &UserId,
        blocks: bool,
        query: BlockQuery,
    ) -> Result<BlockList, WireError> {
        let invalid =
            |error: InvalidBlock| WireError::new(ErrorCode::InvalidContent, error.to_string());
        if user == other {
            return Err(invalid(InvalidBlock::Oneself));
        }
        let (list, ord) = self.blocks.entry(user.clone()).or_default();
        let changes = list.has(other) != blocks;
        let writes = query.version.map_or(changes, |version| version == list.version);
        if !writes {
            return Ok(list.clone());
        }
        if changes && blocks && list.users.len() >= limits::BLOCKED_USERS {
            return Err(invalid(InvalidBlock::TooMany));
        }
        match list.users.binary_search(other) {
            Err(at) if blocks => list.users.insert(at, other.clone()),
            Ok(at) if !blocks => drop(list.users.remove(at)),
            _ => {}
        }
        list.version += 1;
        self.head += 1;
        *ord = self.head;
        let list = list.clone();
        self.news.push(News::User(user.clone()));
        Ok(list)
    }

    /// Whether `by` may bring a user into a room of that kind.
    pub(super) fn may_bring(
        &self,
        kind: RoomKind,
        by: &UserId,
        user: &UserId,
    ) -> Result<(), WireError> {
        if kind == RoomKind::Direct && self.blocked_by(by).has(user) {
            return Err(unblock_first());
        }
        if self.blocked_by(user).has(by) { Err(blocked()) } else { Ok(()) }
    }

    /// Whether an operation may be written in a room, of the two if it is one of two.
    pub(super) fn judge_block(
        &self,
        log: &ModelRoom,
        user: &UserId,
        op: &Op,
    ) -> Result<(), WireError> {
        let peer = log.members.keys().find(|other| *other != user);
        let Some(peer) = peer.filter(|_| log.kind == RoomKind::Direct) else { return Ok(()) };
        if op.kind == EventKind::Delete {
            return Ok(());
        }
        self.may_bring(RoomKind::Direct, user, peer)
    }
}
