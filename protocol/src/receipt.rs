//! Receipts: how far a member of a room is. Watermarks, not lists of messages, so that reading 500
//! messages is one write, and repeats and a wrong order do no harm.

use serde::{Deserialize, Serialize};

use crate::{RoomId, Seq, UserId};

/// How far one member of a room is. Both watermarks only ever grow, so that two receipts of the
/// same member are merged by taking the higher of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The room.
    pub room: RoomId,
    /// Whose it is.
    pub user: UserId,
    /// Everything up to here has reached a device of the user. Never below `read`.
    pub delivered: Seq,
    /// Everything up to here is read.
    pub read: Seq,
}

impl Receipt {
    /// One who has everything up to `seq`, and has read it: where a member begins.
    pub fn at(room: RoomId, user: UserId, seq: Seq) -> Self {
        Self { room, user, delivered: seq, read: seq }
    }

    /// Takes the higher watermarks of both. Gives whether one of them moved.
    pub fn raise(&mut self, delivered: Seq, read: Seq) -> bool {
        let before = (self.delivered, self.read);
        self.read = self.read.max(read);
        // What was read has arrived.
        self.delivered = self.delivered.max(delivered).max(self.read);
        (self.delivered, self.read) != before
    }
}

/// `GET /v1/rooms/{room}/receipts?seq=&after=`: how far the other members are with what stands at a seq, in a room
/// of any size. Asked for, it is as of that moment; nothing more is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptPage {
    /// Those whose devices are known to have it; those who read it among them.
    pub delivered_to: u32,
    /// Those who have read it.
    pub read_by: u32,
    /// How many others there are.
    pub of: u32,
    /// How far each of them is, by user id: at most 100.
    pub receipts: Vec<Receipt>,
    /// How to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// What a client says of its own user: everything up to here has arrived, or is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptUpdate {
    /// The room.
    pub room: RoomId,
    /// Everything up to here is stored by the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Seq>,
    /// Everything up to here is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Seq>,
}
