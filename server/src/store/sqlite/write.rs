//! What the writer does in a transaction: rooms, members, profiles.

use rusqlite::OptionalExtension;
use tidewire_protocol::{
    EventKind, MemberChange, NewRoom, Profile, ProfileUpdate, Role, RoomCreated, RoomId, RoomKind,
    RoomState, UserId, limits,
};

use super::append::{insert_own, save_head};
use super::bans;
use super::blocks;
use super::int;
use super::read::{self, Membership, RoomRow};
use super::roles::give_role;
use super::writer::Tx;
use crate::store::rules::{
    FIXED, first_members, may_send_away, pair_of, require_moderator, role_code, room_kind_code,
};
use crate::store::{EventJson, StoreError};

/// The room, if `user` is in it.
pub(super) fn member_room(
    tx: &Tx<'_>,
    room: RoomId,
    user: &UserId,
) -> Result<(RoomRow, Membership), StoreError> {
    let row = read::room_row(tx.conn, room)?.ok_or(StoreError::NotAMember)?;
    match read::membership(tx.conn, row.rk, user)? {
        Some(member) if member.left_ord.is_none() => Ok((row, member)),
        _ => Err(StoreError::NotAMember),
    }
}

pub(super) fn create_room(
    tx: &Tx<'_>,
    creator: &UserId,
    room: &NewRoom,
    max_members: u32,
) -> Result<RoomState<EventJson>, StoreError> {
    let members = first_members(creator, room, max_members)?;
    let pair = pair_of(room.kind, &members);
    if let Some(existing) = read::room_row(tx.conn, room.id)? {
        let same = existing.created_by == creator.as_str()
            && existing.kind == room.kind
            && existing.pair == pair;
        return if same {
            read::state(tx.conn, &existing, creator)
        } else {
            Err(StoreError::IdTaken)
        };
    }
    if let Some(pair) = &pair
        && let Some(existing) = read::room_of_pair(tx.conn, pair)?
    {
        return read::state(tx.conn, &existing, creator);
    }
    may_add(tx, room.kind, creator, &members)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO rooms(id, kind, name, pair, created_by, created_at, shard, head_seq,
             head_ord, members) VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0)",
        )?
        .execute((
            room.id.uuid().as_bytes(),
            room_kind_code(room.kind),
            &room.name,
            &pair,
            creator.as_str(),
            tx.now,
        ))?;
    let mut row = read::room_row(tx.conn, room.id)?
        .ok_or_else(|| StoreError::Failed("a room just written is not there".into()))?;
    let content =
        RoomCreated { kind: room.kind, name: room.name.clone(), members: members.clone() };
    insert_own(tx, &mut row, creator, EventKind::RoomCreated, &content)?;
    for user in &members {
        // Nobody stands above the other in a direct room, and there is nothing to own.
        let owns = room.kind == RoomKind::Group && user == creator;
        put_member(tx, &row, user, if owns { Role::Owner } else { Role::Member })?;
    }
    row.members = u32::try_from(members.len()).unwrap_or(u32::MAX);
    save_head(tx, &row)?;
    read::state(tx.conn, &row, creator)
}

/// Whether `by` may bring these into a room: nobody comes where he would have to hear of somebody whom he has blocked
/// by that one's will, and nobody begins a direct room with whom he has blocked.
fn may_add(tx: &Tx<'_>, kind: RoomKind, by: &UserId, users: &[UserId]) -> Result<(), StoreError> {
    for user in users.iter().filter(|user| *user != by) {
        let apart = blocks::apart(tx.conn, by, user)?;
        apart.may_add(kind)?;
    }
    Ok(())
}

/// Makes `user` a member from the room's head on.
fn put_member(tx: &Tx<'_>, row: &RoomRow, user: &UserId, role: Role) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached(
            "INSERT OR REPLACE INTO members(rk, user, role, joined_at, joined_seq, joined_ord,
             delivered_seq, read_seq) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?5, ?5)",
        )?
        .execute((
            row.rk,
            user.as_str(),
            role_code(role),
            tx.now,
            int(row.head_seq.get()),
            int(row.head_ord),
        ))?;
    Ok(())
}

pub(super) fn add_members(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    users: &[UserId],
    max_members: u32,
) -> Result<RoomState<EventJson>, StoreError> {
    let (mut row, own) = member_room(tx, room, by)?;
    if row.kind == RoomKind::Direct {
        return Err(FIXED);
    }
    require_moderator(own.role)?;
    if users.len() > limits::MEMBERS_PAGE {
        let text = format!("at most {} members at once", limits::MEMBERS_PAGE);
        return Err(StoreError::InvalidContent(text));
    }
    let mut added = false;
    for user in users {
        if read::membership(tx.conn, row.rk, user)?.is_some_and(|member| member.left_ord.is_none())
        {
            continue;
        }
        may_add(tx, row.kind, by, std::slice::from_ref(user))?;
        if bans::is_banned(tx, row.rk, user)? {
            return Err(StoreError::Banned(user.clone()));
        }
        if row.members >= max_members {
            let text = format!("a room has at most {max_members} members");
            return Err(StoreError::InvalidContent(text));
        }
        let change = MemberChange { user: user.clone() };
        insert_own(tx, &mut row, by, EventKind::MemberJoined, &change)?;
        put_member(tx, &row, user, Role::Member)?;
        row.members += 1;
        added = true;
    }
    if added {
        save_head(tx, &row)?;
    }
    read::state(tx.conn, &row, by)
}

pub(super) fn remove_member(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    user: &UserId,
) -> Result<RoomState<EventJson>, StoreError> {
    let mut row = read::room_row(tx.conn, room)?.ok_or(StoreError::NotAMember)?;
    let mine = read::membership(tx.conn, row.rk, by)?.ok_or(StoreError::NotAMember)?;
    if mine.left_ord.is_some() {
        // A repeated leave, whose first answer was lost, is no error.
        return if by == user {
            read::state(tx.conn, &row, by)
        } else {
            Err(StoreError::NotAMember)
        };
    }
    if row.kind == RoomKind::Direct {
        return Err(FIXED);
    }
    let leaver = read::membership(tx.conn, row.rk, user)?;
    let leaver = leaver.filter(|member| member.left_ord.is_none());
    if by != user {
        may_send_away(mine.role, leaver.as_ref().map(|leaver| leaver.role))?;
    }
    let Some(leaver) = leaver else { return read::state(tx.conn, &row, by) };
    take_out(tx, &mut row, by, user, leaver.role)?;
    save_head(tx, &row)?;
    read::state(tx.conn, &row, by)
}

/// Writes that a member is out from here on. The caller saves the head.
pub(super) fn take_out(
    tx: &Tx<'_>,
    row: &mut RoomRow,
    by: &UserId,
    user: &UserId,
    role: Role,
) -> Result<(), StoreError> {
    let change = MemberChange { user: user.clone() };
    insert_own(tx, row, by, EventKind::MemberLeft, &change)?;
    row.members = row.members.saturating_sub(1);
    tx.conn
        .prepare_cached(
            "UPDATE members SET left_seq = ?3, left_ord = ?4, left_name = ?5, left_avatar_url = ?6,
             left_members = ?7 WHERE rk = ?1 AND user = ?2",
        )?
        .execute((
            row.rk,
            user.as_str(),
            int(row.head_seq.get()),
            int(row.head_ord),
            &row.name,
            &row.avatar_url,
            row.members,
        ))?;
    if role == Role::Owner {
        inherit(tx, row, by)?;
    }
    Ok(())
}

/// A group without an owner goes to the moderator who has been in it for the longest time, without
/// moderators to the member. The one who left it so has done that.
fn inherit(tx: &Tx<'_>, row: &mut RoomRow, by: &UserId) -> Result<(), StoreError> {
    let heir = tx
        .conn
        .prepare_cached(
            "SELECT user FROM members WHERE rk = ?1 AND left_ord IS NULL
             AND NOT EXISTS(
                 SELECT 1 FROM members WHERE rk = ?1 AND left_ord IS NULL AND role = ?2)
             ORDER BY role <> ?3, joined_ord, user LIMIT 1",
        )?
        .query_row((row.rk, role_code(Role::Owner), role_code(Role::Moderator)), |found| {
            read::user(found, 0)
        })
        .optional()?;
    match heir {
        Some(heir) => give_role(tx, row, by, heir, Role::Owner),
        None => Ok(()),
    }
}

pub(super) fn set_profile(
    tx: &Tx<'_>,
    user: &UserId,
    update: ProfileUpdate,
) -> Result<Profile, StoreError> {
    let ProfileUpdate { name, avatar_url } = update;
    tx.conn
        .prepare_cached(
            "INSERT OR REPLACE INTO profiles(user, name, avatar_url, updated_at)
             VALUES(?1, ?2, ?3, ?4)",
        )?
        .execute((user.as_str(), &name, &avatar_url, tx.now))?;
    Ok(Profile { user: user.clone(), name, avatar_url, updated_at: tx.now })
}
