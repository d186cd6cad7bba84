//! Who has blocked whom, as far as no database is needed. The same for every store.

use tidewire_protocol::{
    BlockList, ErrorCode, EventKind, InvalidBlock, RoomKind, UserId, WireError, limits,
};

use super::StoreError;
use super::checked::Checked;

/// Who of the two of a direct room has blocked the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Apart {
    /// Nobody.
    #[default]
    No,
    /// The one who asks, and whether the other one has as well.
    Own(bool),
    /// The other one alone.
    Other,
}

impl Apart {
    /// Of whether the one who asks has blocked the other, and the other him. What the other has done shows only
    /// where the own list has nothing of it.
    pub(crate) fn of(own: bool, other: bool) -> Self {
        match (own, other) {
            (true, both) => Self::Own(both),
            (false, true) => Self::Other,
            (false, false) => Self::No,
        }
    }

    /// Whether the one who asks may bring the other into a room: into a group also whom he has blocked himself.
    pub(crate) fn may_add(self, kind: RoomKind) -> Result<(), StoreError> {
        match self {
            Self::No => Ok(()),
            Self::Own(_) if kind == RoomKind::Direct => Err(StoreError::UnblockFirst),
            Self::Own(false) => Ok(()),
            Self::Own(true) | Self::Other => Err(StoreError::Blocked),
        }
    }
}

/// Whether an operation may be written between two of whom one has blocked the other. A deletion may: it takes back
/// what was said.
pub(crate) fn judge_block(checked: &Checked, apart: Apart) -> Result<(), WireError> {
    if checked.op.kind == EventKind::Delete {
        return Ok(());
    }
    match apart {
        Apart::No => Ok(()),
        Apart::Own(_) => {
            let text = "you have blocked this person: unblock first";
            Err(WireError::new(ErrorCode::UnblockFirst, text))
        }
        Apart::Other => {
            let text = "this message cannot be delivered";
            Err(WireError::new(ErrorCode::Blocked, text))
        }
    }
}

/// Whether `user` may block `other`, as far as the two alone tell.
pub(crate) fn check_block(user: &UserId, other: &UserId) -> Result<(), StoreError> {
    if user == other {
        return Err(StoreError::InvalidContent(InvalidBlock::Oneself.to_string()));
    }
    Ok(())
}

/// Whether a list has room for one more.
pub(crate) fn check_room(list: &BlockList) -> Result<(), StoreError> {
    if list.users.len() < limits::BLOCKED_USERS {
        return Ok(());
    }
    Err(StoreError::InvalidContent(InvalidBlock::TooMany.to_string()))
}

/// What is to be written of a list for a change, if anything is: the version that it gets, and whether the user's
/// entry changes. Without a version what changes nothing writes nothing; with one each is a version of its own, so that
/// those before it come too late.
pub(crate) fn change_of_list(
    list: &BlockList,
    other: &UserId,
    blocked: bool,
    version: Option<u64>,
) -> Result<Option<(u64, bool)>, StoreError> {
    let changes = list.has(other) != blocked;
    let writes = match version {
        Some(version) => version == list.version,
        None => changes,
    };
    if !writes {
        return Ok(None);
    }
    if changes && blocked {
        check_room(list)?;
    }
    Ok(Some((list.version + 1, changes)))
}

/// The list after that.
pub(crate) fn changed(
    mut list: BlockList,
    other: UserId,
    blocked: bool,
    version: u64,
) -> BlockList {
    list.version = version;
    match (list.users.binary_search(&other), blocked) {
        (Err(at), true) => list.users.insert(at, other),
        (Ok(at), false) => drop(list.users.remove(at)),
        _ => {}
    }
    list
}
