//! A page of the feed: the same on every transport.

use serde::{Deserialize, Serialize};

use crate::{BlockList, Cursor, Event, Receipt, RoomState, SettingsNews};

/// A page of the feed of one user: all events of all the user's rooms between two cursors, in the
/// order of the log, those of one room in the order of their `seq`.
///
/// A client takes a page only if `from` is the cursor that it took last, else it drops the whole
/// page. It commits events and `to` in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct Page<E = Event> {
    /// The cursor that this page goes on from.
    pub from: Cursor,
    /// The events; with limited rooms and receipts at most 50.
    pub events: Vec<E>,
    /// The cursor after this page.
    pub to: Cursor,
    /// Whether there is more: read on from `to` at once.
    pub more: bool,
    /// Rooms whose events up to `head_seq` are *not* all in `events`: rooms that the user has been
    /// added to since `from`, and rooms with more news than a page allows.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub limited: Vec<RoomState<E>>,
    /// How far members of the user's rooms are, where it has changed since `from`: the user's own
    /// too. Only the newest of each member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// The user's own settings of rooms, where they have changed since `from`: each room at most
    /// once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingsNews>,
    /// Whom the user has blocked, if that has changed since `from`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<BlockList>,
}
