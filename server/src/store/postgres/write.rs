//! What is written of rooms and members, one thing at a time: the room is locked first, then all is judged,
//! then the first event locks the shard until the commit.

use tidewire_protocol::{
    Content, EventId, EventKind, MemberChange, NewRoom, Op, Role, RoleChange, RoomCreated, RoomId,
    RoomKind, RoomState, RoomUpdate, Seq, SettingsUpdate, UserId, limits,
};

use super::bans;
use super::blocks;
use super::connect::{Db, Tx, int, small};
use super::read::{self, MEMBER, Membership, ROOM, RoomRow};
use super::shard_for;
use crate::store::checked::payload_hash;
use crate::store::rules::{
    FIXED, check_looks, first_members, may_send_away, pair_of, require_moderator, require_owner,
    role_code, room_kind_code, settings_code,
};
use crate::store::{EventJson, StoreError};

/// A state as it was when the transaction committed, and the new heads.
pub(super) type Written<T> = Result<(T, Vec<(usize, u64)>), StoreError>;
pub(super) type State = RoomState<EventJson>;

/// Whether texts can be kept: PostgreSQL takes all but those with U+0000.
pub(super) fn storable(texts: &[&Option<String>]) -> Result<(), StoreError> {
    if texts.iter().any(|text| text.as_ref().is_some_and(|text| text.contains('\0'))) {
        let text = "a text holds the character U+0000, which cannot be kept";
        return Err(StoreError::InvalidContent(text.into()));
    }
    Ok(())
}

/// Locks a room until the commit.
async fn lock(tx: &Tx, room: RoomId) -> Result<Option<RoomRow>, StoreError> {
    let sql = ["SELECT ", ROOM, " FROM rooms r WHERE r.id = $1 FOR NO KEY UPDATE"].concat();
    let found = tx.optional(&sql, &[&room.uuid()]).await?;
    found.map(|row| read::room_from(&row, 0)).transpose()
}

pub(super) async fn membership(
    tx: &Tx,
    rk: i64,
    user: &UserId,
) -> Result<Option<Membership>, StoreError> {
    let sql = ["SELECT ", MEMBER, " FROM members m WHERE m.rk = $1 AND m.user_id = $2"].concat();
    let found = tx.optional(&sql, &[&rk, &user.as_str()]).await?;
    found.map(|row| read::member_from(&row, 0)).transpose()
}

/// The room, if `user` is in it.
pub(super) async fn member_room(
    tx: &Tx,
    room: RoomId,
    user: &UserId,
) -> Result<(RoomRow, Membership), StoreError> {
    let row = lock(tx, room).await?.ok_or(StoreError::NotAMember)?;
    let member = membership(tx, row.rk, user).await?.filter(Membership::is_in);
    Ok((row, member.ok_or(StoreError::NotAMember)?))
}

/// Reads the state in the transaction, and commits.
pub(super) async fn done(tx: Tx, row: RoomRow, user: &UserId) -> Written<State> {
    let member = membership(&tx, row.rk, user).await?.ok_or(StoreError::NotAMember)?;
    let state = read::state(&tx, row, user, member).await?;
    Ok((state, tx.commit().await?))
}

/// Writes an event of the server's own at the head of its room. The caller saves the head.
pub(super) async fn insert<T: serde::Serialize>(
    tx: &mut Tx,
    row: &mut RoomRow,
    sender: &UserId,
    kind: EventKind,
    content: &T,
) -> Result<Seq, StoreError> {
    let content = Content::of(content)
        .map_err(|error| StoreError::Failed(format!("an event is no JSON: {error}")))?;
    let hash = payload_hash(&kind, &content).to_vec();
    let op = Op { id: EventId::from_uuid(uuid::Uuid::now_v7()), kind, content };
    row.head_ord = tx.next_ord(row.shard).await?;
    row.head_seq = row.head_seq.next();
    let sql = "INSERT INTO events(shard, ord, rk, seq, id, sender, at, kind, content, hash)
               VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let (ord, seq) = (int(row.head_ord), int(row.head_seq.get()));
    let (id, kind, json) = (op.id.uuid(), op.kind.as_str(), op.content.as_json());
    let (shard, name) = (small(row.shard), sender.as_str());
    tx.execute(sql, &[&shard, &ord, &row.rk, &seq, &id, &name, &tx.now, &kind, &json, &hash])
        .await?;
    Ok(row.head_seq)
}

pub(super) async fn save_head(tx: &Tx, row: &RoomRow) -> Result<(), StoreError> {
    let sql = "UPDATE rooms SET head_seq = $2, head_ord = $3, members = $4, name = $5,
                   avatar_url = $6, active_at = greatest(active_at, $7) WHERE rk = $1";
    let (seq, ord) = (int(row.head_seq.get()), int(row.head_ord));
    let members = i32::try_from(row.members).unwrap_or(i32::MAX);
    tx.execute(sql, &[&row.rk, &seq, &ord, &members, &row.name, &row.avatar_url, &tx.now]).await?;
    Ok(())
}

/// Makes users members, each from the place given on.
async fn put_members(
    tx: &Tx,
    row: &RoomRow,
    users: &[(UserId, Role, Seq, u64)],
) -> Result<(), StoreError> {
    let names: Vec<&str> = users.iter().map(|(user, ..)| user.as_str()).collect();
    let code = |role: Role| i16::try_from(role_code(role)).unwrap_or(2);
    let roles: Vec<i16> = users.iter().map(|(_, role, ..)| code(*role)).collect();
    let seqs: Vec<i64> = users.iter().map(|(_, _, seq, _)| int(seq.get())).collect();
    let ords: Vec<i64> = users.iter().map(|(.., ord)| int(*ord)).collect();
    let sql = "INSERT INTO members(rk, user_id, shard, role, joined_at, joined_seq, joined_ord,
                   delivered_seq, read_seq)
               SELECT $1, u.user_id, $2, u.role, $3, u.seq, u.ord, u.seq, u.seq
               FROM unnest($4::text[], $5::smallint[], $6::bigint[], $7::bigint[])
                    u(user_id, role, seq, ord)
               ON CONFLICT(rk, user_id) DO UPDATE SET role = excluded.role,
                   joined_at = excluded.joined_at, joined_seq = excluded.joined_seq,
                   joined_ord = excluded.joined_ord, delivered_seq = excluded.delivered_seq,
                   read_seq = excluded.read_seq, receipt_ord = 0, settings = 0, settings_ord = 0,
                   settings_version = 0,
                   left_seq = NULL, left_ord = NULL, left_name = NULL, left_avatar_url = NULL,
                   left_members = NULL";
    let sql = sql.replace(
        "SELECT $1, u.user_id, $2, u.role, $3",
        "SELECT $1::bigint, u.user_id, $2::smallint, u.role, $3::bigint",
    );
    tx.execute(&sql, &[&row.rk, &small(row.shard), &tx.now, &names, &roles, &seqs, &ords]).await?;
    Ok(())
}

pub(super) async fn create_room(
    db: &Db,
    creator: &UserId,
    room: &NewRoom,
    max_members: u32,
) -> Written<State> {
    let members = first_members(creator, room, max_members)?;
    storable(&[&room.name])?;
    let pair = pair_of(room.kind, &members);
    let mut tx = db.begin().await?;
    if let Some(pair) = &pair {
        blocks::lock_pair(&tx, pair).await?;
    }
    // Whoever begins the same room or the same pair at the same time waits here for the other.
    let sql = [
        "INSERT INTO rooms AS r(id, kind, name, pair, created_by, created_at, active_at, shard,
             head_seq, head_ord, members) VALUES($1, $2, $3, $4, $5, $6, $6, $7, 0, 0, 0)
         ON CONFLICT DO NOTHING RETURNING ",
        ROOM,
    ]
    .concat();
    let (id, shard) = (room.id.uuid(), small(shard_for(room.id)));
    let kind = i16::try_from(room_kind_code(room.kind)).unwrap_or(2);
    let made = tx
        .optional(&sql, &[&id, &kind, &room.name, &pair, &creator.as_str(), &tx.now, &shard])
        .await?;
    let Some(made) = made else {
        let existing = existing(&tx, creator, room, pair.as_deref()).await?;
        return done(tx, existing, creator).await;
    };
    let mut row = read::room_from(&made, 0)?;
    may_add(&tx, row.kind, creator, members.iter().filter(|user| *user != creator)).await?;
    let content =
        RoomCreated { kind: room.kind, name: room.name.clone(), members: members.clone() };
    insert(&mut tx, &mut row, creator, EventKind::RoomCreated, &content).await?;
    let rows: Vec<_> = members
        .iter()
        .map(|user| {
            // Nobody stands above the other in a direct room, and there is nothing to own.
            let owns = room.kind == RoomKind::Group && user == creator;
            let role = if owns { Role::Owner } else { Role::Member };
            (user.clone(), role, row.head_seq, row.head_ord)
        })
        .collect();
    put_members(&tx, &row, &rows).await?;
    row.members = u32::try_from(members.len()).unwrap_or(u32::MAX);
    save_head(&tx, &row).await?;
    done(tx, row, creator).await
}

/// Whether `by` may bring these into a room: nobody comes where he would have to hear of somebody whom he has blocked
/// by that one's will, and nobody begins a direct room with whom he has blocked.
async fn may_add(
    tx: &Tx,
    kind: RoomKind,
    by: &UserId,
    users: impl Iterator<Item = &UserId>,
) -> Result<(), StoreError> {
    let users: Vec<&UserId> = users.collect();
    if users.is_empty() {
        return Ok(());
    }
    for apart in blocks::apart(tx, by, &users).await? {
        apart.may_add(kind)?;
    }
    Ok(())
}

/// The room that this request has created before, or the pair's.
async fn existing(
    tx: &Tx,
    creator: &UserId,
    room: &NewRoom,
    pair: Option<&str>,
) -> Result<RoomRow, StoreError> {
    if let Some(row) = lock(tx, room.id).await? {
        let same = row.created_by == creator.as_str()
            && row.kind == room.kind
            && row.pair.as_deref() == pair;
        return if same { Ok(row) } else { Err(StoreError::IdTaken) };
    }
    let sql = ["SELECT ", ROOM, " FROM rooms r WHERE r.pair = $1"].concat();
    let found = tx.optional(&sql, &[&pair]).await?;
    let found = found.map(|row| read::room_from(&row, 0)).transpose()?;
    found.ok_or_else(|| StoreError::Unavailable("a room was being made at the same time".into()))
}

pub(super) async fn add_members(
    db: &Db,
    room: RoomId,
    by: &UserId,
    users: &[UserId],
    max_members: u32,
) -> Written<State> {
    let mut tx = db.begin().await?;
    let (mut row, own) = member_room(&tx, room, by).await?;
    if row.kind == RoomKind::Direct {
        return Err(FIXED);
    }
    require_moderator(own.role)?;
    if users.len() > limits::MEMBERS_PAGE {
        let text = format!("at most {} members at once", limits::MEMBERS_PAGE);
        return Err(StoreError::InvalidContent(text));
    }
    let mut new: Vec<&UserId> = Vec::new();
    for user in users {
        let is_in = membership(&tx, row.rk, user).await?.is_some_and(|member| member.is_in());
        if is_in || new.contains(&user) {
            continue;
        }
        may_add(&tx, row.kind, by, std::iter::once(user)).await?;
        if bans::is_banned(&tx, row.rk, user).await? {
            return Err(StoreError::Banned(user.clone()));
        }
        if row.members as usize + new.len() >= max_members as usize {
            let text = format!("a room has at most {max_members} members");
            return Err(StoreError::InvalidContent(text));
        }
        new.push(user);
    }
    let mut rows = Vec::new();
    for user in new {
        let change = MemberChange { user: user.clone() };
        let seq = insert(&mut tx, &mut row, by, EventKind::MemberJoined, &change).await?;
        rows.push((user.clone(), Role::Member, seq, row.head_ord));
        row.members += 1;
    }
    if !rows.is_empty() {
        put_members(&tx, &row, &rows).await?;
        save_head(&tx, &row).await?;
    }
    done(tx, row, by).await
}

pub(super) async fn remove_member(
    db: &Db,
    room: RoomId,
    by: &UserId,
    user: &UserId,
) -> Written<State> {
    let mut tx = db.begin().await?;
    let mut row = lock(&tx, room).await?.ok_or(StoreError::NotAMember)?;
    let mine = membership(&tx, row.rk, by).await?.ok_or(StoreError::NotAMember)?;
    if !mine.is_in() {
        // A repeated leave, whose first answer was lost, is no error.
        return if by == user { done(tx, row, by).await } else { Err(StoreError::NotAMember) };
    }
    if row.kind == RoomKind::Direct {
        return Err(FIXED);
    }
    let leaver = membership(&tx, row.rk, user).await?.filter(Membership::is_in);
    if by != user {
        may_send_away(mine.role, leaver.as_ref().map(|leaver| leaver.role))?;
    }
    let Some(leaver) = leaver else { return done(tx, row, by).await };
    take_out(&mut tx, &mut row, by, user, leaver.role).await?;
    save_head(&tx, &row).await?;
    done(tx, row, by).await
}

/// Writes that a member is out from here on. The caller saves the head.
pub(super) async fn take_out(
    tx: &mut Tx,
    row: &mut RoomRow,
    by: &UserId,
    user: &UserId,
    role: Role,
) -> Result<(), StoreError> {
    let change = MemberChange { user: user.clone() };
    insert(tx, row, by, EventKind::MemberLeft, &change).await?;
    row.members = row.members.saturating_sub(1);
    let sql = "UPDATE members SET left_seq = $3, left_ord = $4, left_name = $5,
                   left_avatar_url = $6, left_members = $7 WHERE rk = $1 AND user_id = $2";
    let (seq, ord) = (int(row.head_seq.get()), int(row.head_ord));
    let members = i32::try_from(row.members).unwrap_or(i32::MAX);
    tx.execute(sql, &[&row.rk, &user.as_str(), &seq, &ord, &row.name, &row.avatar_url, &members])
        .await?;
    if role == Role::Owner {
        inherit(tx, row, by).await?;
    }
    Ok(())
}

/// A group without an owner goes to the moderator who has been in it for the longest time, without
/// moderators to the member. The one who left it so has done that.
async fn inherit(tx: &mut Tx, row: &mut RoomRow, by: &UserId) -> Result<(), StoreError> {
    let sql = "SELECT user_id FROM members WHERE rk = $1 AND left_ord IS NULL
               AND NOT EXISTS(
                   SELECT 1 FROM members WHERE rk = $1 AND left_ord IS NULL AND role = 1)
               ORDER BY role <> 3, joined_ord, user_id LIMIT 1";
    match tx.optional(sql, &[&row.rk]).await? {
        Some(heir) => give_role(tx, row, by, read::user(&heir, 0)?, Role::Owner).await,
        None => Ok(()),
    }
}

/// Writes that a member has another role from here on. The caller saves the head.
async fn give_role(
    tx: &mut Tx,
    row: &mut RoomRow,
    by: &UserId,
    user: UserId,
    role: Role,
) -> Result<(), StoreError> {
    let change = RoleChange { user, role };
    insert(tx, row, by, EventKind::MemberRole, &change).await?;
    let sql = "UPDATE members SET role = $3 WHERE rk = $1 AND user_id = $2";
    let code = i16::try_from(role_code(role)).unwrap_or(2);
    tx.execute(sql, &[&row.rk, &change.user.as_str(), &code]).await?;
    Ok(())
}

/// A group that `by` owns.
async fn owned_group(tx: &Tx, room: RoomId, by: &UserId) -> Result<RoomRow, StoreError> {
    let (row, own) = member_room(tx, room, by).await?;
    if row.kind == RoomKind::Direct {
        return Err(StoreError::Forbidden("a direct room has no owner, and never changes"));
    }
    require_owner(own.role)?;
    Ok(row)
}

/// Changes how a group looks. What changes nothing writes nothing.
pub(super) async fn update_room(
    db: &Db,
    room: RoomId,
    by: &UserId,
    update: &RoomUpdate,
) -> Written<State> {
    let mut tx = db.begin().await?;
    let mut row = owned_group(&tx, room, by).await?;
    check_looks(update)?;
    let RoomUpdate { name, avatar_url } = update;
    storable(&[name, avatar_url])?;
    if (&row.name, &row.avatar_url) != (name, avatar_url) {
        insert(&mut tx, &mut row, by, EventKind::RoomUpdated, update).await?;
        (row.name, row.avatar_url) = (name.clone(), avatar_url.clone());
        save_head(&tx, &row).await?;
    }
    done(tx, row, by).await
}

/// Gives a member another role. What changes nothing writes nothing.
pub(super) async fn set_role(
    db: &Db,
    room: RoomId,
    by: &UserId,
    user: &UserId,
    role: Role,
) -> Written<State> {
    let mut tx = db.begin().await?;
    let mut row = owned_group(&tx, room, by).await?;
    if role == Role::Other {
        return Err(StoreError::InvalidContent(
            "a role is `owner`, `moderator` or `member`".into(),
        ));
    }
    let member = membership(&tx, row.rk, user).await?;
    let Some(member) = member.filter(Membership::is_in) else {
        return Err(StoreError::InvalidContent("the user is not a member of the room".into()));
    };
    if member.role != role {
        let owners =
            "SELECT 1 FROM members WHERE rk = $1 AND left_ord IS NULL AND role = 1 LIMIT 2";
        if member.role == Role::Owner && tx.query(owners, &[&row.rk]).await?.len() == 1 {
            return Err(StoreError::Forbidden(
                "the last owner cannot step down: make another member an owner first",
            ));
        }
        give_role(&mut tx, &mut row, by, user.clone(), role).await?;
        save_head(&tx, &row).await?;
    }
    done(tx, row, by).await
}

/// Replaces the user's settings of a room, if they follow those that there are. Without a version what changes
/// nothing writes nothing; with one each is a version of its own, so that those before it come too late.
pub(super) async fn set_settings(
    db: &Db,
    room: RoomId,
    user: &UserId,
    update: SettingsUpdate,
) -> Written<SettingsUpdate> {
    let mut tx = db.begin().await?;
    let (row, member) = member_room(&tx, room, user).await?;
    let sets = match update.version {
        Some(version) => version == member.settings_version,
        None => member.settings != update.settings,
    };
    if !sets {
        let version = Some(member.settings_version);
        return Ok((SettingsUpdate { settings: member.settings, version }, Vec::new()));
    }
    let ord = int(tx.next_ord(row.shard).await?);
    let (code, version) = (settings_code(update.settings), member.settings_version + 1);
    let sql = "UPDATE members SET settings = $3, settings_ord = $4, settings_version = $5
               WHERE rk = $1 AND user_id = $2";
    tx.execute(sql, &[&row.rk, &user.as_str(), &code, &ord, &int(version)]).await?;
    Ok((SettingsUpdate { version: Some(version), ..update }, tx.commit().await?))
}
