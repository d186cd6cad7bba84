//! How a group looks, and who may do what in it.

use tidewire_protocol::{
    EventKind, Role, RoleChange, RoomId, RoomKind, RoomState, RoomUpdate, UserId,
};

use super::append::{insert_own, save_head};
use super::read::{self, RoomRow};
use super::write::member_room;
use super::writer::Tx;
use crate::store::rules::{check_looks, require_owner, role_code};
use crate::store::{EventJson, StoreError};

/// A group that `by` owns.
fn owned_group(tx: &Tx<'_>, room: RoomId, by: &UserId) -> Result<RoomRow, StoreError> {
    let (row, own) = member_room(tx, room, by)?;
    if row.kind == RoomKind::Direct {
        return Err(StoreError::Forbidden("a direct room has no owner, and never changes"));
    }
    require_owner(own.role)?;
    Ok(row)
}

/// Changes how a group looks. What changes nothing writes nothing.
pub(super) fn update_room(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    update: &RoomUpdate,
) -> Result<RoomState<EventJson>, StoreError> {
    let mut row = owned_group(tx, room, by)?;
    check_looks(update)?;
    let RoomUpdate { name, avatar_url } = update;
    if (&row.name, &row.avatar_url) != (name, avatar_url) {
        insert_own(tx, &mut row, by, EventKind::RoomUpdated, update)?;
        tx.conn
            .prepare_cached("UPDATE rooms SET name = ?2, avatar_url = ?3 WHERE rk = ?1")?
            .execute((row.rk, name, avatar_url))?;
        (row.name, row.avatar_url) = (name.clone(), avatar_url.clone());
        save_head(tx, &row)?;
    }
    read::state(tx.conn, &row, by)
}

/// Gives a member another role. What changes nothing writes nothing.
pub(super) fn set_role(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    user: &UserId,
    role: Role,
) -> Result<RoomState<EventJson>, StoreError> {
    let mut row = owned_group(tx, room, by)?;
    if role == Role::Other {
        return Err(StoreError::InvalidContent(
            "a role is `owner`, `moderator` or `member`".into(),
        ));
    }
    let member = read::membership(tx.conn, row.rk, user)?;
    let Some(member) = member.filter(|member| member.left_ord.is_none()) else {
        return Err(StoreError::InvalidContent("the user is not a member of the room".into()));
    };
    if member.role != role {
        if member.role == Role::Owner && owners(tx, &row)? == 1 {
            return Err(StoreError::Forbidden(
                "the last owner cannot step down: make another member an owner first",
            ));
        }
        give_role(tx, &mut row, by, user.clone(), role)?;
        save_head(tx, &row)?;
    }
    read::state(tx.conn, &row, by)
}

/// Writes that a member has another role from here on. The caller saves the head.
pub(super) fn give_role(
    tx: &Tx<'_>,
    row: &mut RoomRow,
    by: &UserId,
    user: UserId,
    role: Role,
) -> Result<(), StoreError> {
    let change = RoleChange { user, role };
    insert_own(tx, row, by, EventKind::MemberRole, &change)?;
    tx.conn
        .prepare_cached("UPDATE members SET role = ?3 WHERE rk = ?1 AND user = ?2")?
        .execute((row.rk, change.user.as_str(), role_code(role)))?;
    Ok(())
}

/// How many owners a group has, counted up to two.
fn owners(tx: &Tx<'_>, row: &RoomRow) -> Result<u32, StoreError> {
    let owners = tx
        .conn
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM members
             WHERE rk = ?1 AND left_ord IS NULL AND role = ?2 LIMIT 2)",
        )?
        .query_row((row.rk, role_code(Role::Owner)), |found| found.get(0))?;
    Ok(owners)
}
