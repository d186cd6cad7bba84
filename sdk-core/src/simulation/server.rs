//! A model of the server: users, rooms, members and one delivery log, everything in memory, as
//! `docs/protocol.md` says.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidewire_protocol::{
    Ban, BlockList, ClientFrame, Content, Cursor, Ephemeral, Epoch, ErrorCode, Event, EventId,
    EventKind, MemberChange, MessageContent, MutedUser, NewRoom, Op, Policy, Receipt,
    ReceiptUpdate, Report, ReportRequest, Role, RoleChange, RoomCreated, RoomId, RoomKind,
    RoomSettings, RoomState, Seq, SyncRequest, UnreadBase, UploadId, UserId, WireError, limits,
};
use uuid::Uuid;

use super::changes::named_by;
use super::uploads::ModelUpload;

/// The membership of somebody who is or was in a room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    pub(super) joined_ord: u64,
    /// Where the leave stands in the delivery log and in the room.
    pub(super) left: Option<(u64, Seq)>,
    pub(super) role: Role,
}

/// How a room looks to those in it.
#[derive(Debug, Clone)]
struct Looks {
    name: Option<String>,
    avatar_url: Option<String>,
    members: u32,
}

/// What a member has set for a room.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ModelSettings {
    pub(super) now: RoomSettings,
    pub(super) version: u64,
    /// Where it was last set in the delivery log.
    pub(super) ord: u64,
}

/// A room and its log.
#[derive(Debug)]
pub struct ModelRoom {
    pub(super) id: RoomId,
    /// The events, the one of seq 1 first.
    pub log: Vec<Event>,
    /// The place of each in the delivery log.
    pub(super) ords: Vec<u64>,
    pub(super) kind: RoomKind,
    pub(super) name: Option<String>,
    pub(super) avatar_url: Option<String>,
    created_by: Option<UserId>,
    pub(super) members: BTreeMap<UserId, Membership>,
    /// Who is kept out.
    pub(super) bans: BTreeMap<UserId, Ban>,
    /// Who may only read, also those whose time is over.
    pub(super) mutes: BTreeMap<UserId, MutedUser>,
    pub(super) slow_mode_ms: u32,
    /// When members last wrote, while it is slow.
    pub(super) slow_writes: BTreeMap<UserId, i64>,
    /// How it looked to former members at their leave.
    left_looks: BTreeMap<UserId, Looks>,
    /// Of the members, each with its place in the delivery log.
    pub receipts: BTreeMap<UserId, (Receipt, u64)>,
    pub(super) receipt_ord: u64,
    /// What members have set for themselves, each with its place in the delivery log.
    pub(super) settings: BTreeMap<UserId, ModelSettings>,
    pub(super) settings_ord: u64,
    pub(super) ids: HashMap<EventId, usize>,
    /// The events that change a message or stand in its thread, by the message.
    pub(super) named: HashMap<EventId, Vec<usize>>,
}

impl ModelRoom {
    fn new(id: RoomId, kind: RoomKind, name: Option<String>, created_by: Option<UserId>) -> Self {
        Self {
            id,
            log: Vec::new(),
            ords: Vec::new(),
            kind,
            name,
            avatar_url: None,
            created_by,
            members: BTreeMap::new(),
            bans: BTreeMap::new(),
            mutes: BTreeMap::new(),
            slow_mode_ms: 0,
            slow_writes: BTreeMap::new(),
            left_looks: BTreeMap::new(),
            receipts: BTreeMap::new(),
            receipt_ord: 0,
            settings: BTreeMap::new(),
            settings_ord: 0,
            ids: HashMap::new(),
            named: HashMap::new(),
        }
    }

    fn looks(&self) -> Looks {
        let members = self.receipts.len() as u32;
        Looks { name: self.name.clone(), avatar_url: self.avatar_url.clone(), members }
    }

    /// The newest seq.
    pub fn head(&self) -> Seq {
        Seq::new(self.log.len() as u64)
    }

    /// Whether its members see each other's receipts.
    pub(super) fn shares_receipts(&self) -> bool {
        self.receipts.len() <= limits::RECEIPT_MEMBERS as usize
    }

    /// The newest event that a user may see who is or was in the room.
    pub(super) fn last_seen_by(&self, member: &Membership) -> Seq {
        member.left.map_or(self.head(), |(_, seq)| seq)
    }

    /// Whether the user is in the room now.
    pub fn has(&self, user: &UserId) -> bool {
        self.members.get(user).is_some_and(|member| member.left.is_none())
    }

    /// How many messages of others than `user` stand in the room with `after < seq <= up_to`.
    pub fn unread(&self, user: &UserId, after: Seq, up_to: Seq) -> u32 {
        let counts = |event: &&Event| {
            event.kind == EventKind::Message && event.sender != *user && event.seq <= up_to
        };
        let new = self.log.get(after.get() as usize..).unwrap_or_default();
        new.iter().filter(counts).take(limits::UNREAD_COUNT as usize).count() as u32
    }

    /// How many messages after `after` mention the user.
    pub fn mentions(&self, user: &UserId, after: Seq) -> u32 {
        let new = self.log.get(after.get() as usize..).unwrap_or_default();
        let mentions = |event: &&Event| {
            event.kind == EventKind::Message
                && event.sender != *user
                && event.content.parse::<MessageContent>().is_ok_and(|m| m.mentions.contains(user))
        };
        new.iter().filter(mentions).take(limits::UNREAD_COUNT as usize).count() as u32
    }
}

/// Who has something to hear.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// Everybody in the room, and `also`, who has just left it.
    Room { room: RoomId, also: Option<UserId> },
    /// This one.
    User(UserId),
}

/// The server: what is in its database, and what it tells everybody.
#[derive(Debug)]
pub struct ModelServer {
    /// The life of the database.
    pub epoch: Epoch,
    /// The rooms.
    pub rooms: BTreeMap<RoomId, ModelRoom>,
    /// The rooms that a user is or was in.
    pub(super) memberships: HashMap<UserId, BTreeSet<RoomId>>,
    pub(super) head: u64,
    /// Whom users have blocked, each with its place in the delivery log.
    pub(super) blocks: BTreeMap<UserId, (BlockList, u64)>,
    /// What was reported, as it was asked for and as it is kept.
    pub(super) reports: Vec<(ReportRequest, Report)>,
    /// The profiles that users have set.
    pub profiles: BTreeMap<UserId, tidewire_protocol::Profile>,
    /// The uploads and the files that they have become.
    pub uploads: BTreeMap<UploadId, ModelUpload>,
    /// How often one was begun.
    pub(super) uploads_begun: u64,
    /// The largest file that it takes, in bytes.
    pub max_upload_bytes: u64,
    /// Bytes of one part of an upload that begins.
    pub upload_part_bytes: u64,
    /// How many users are online, as it tells them.
    pub online: u32,
    /// Its clock, in ms since 1970-01-01 UTC. Whoever moves time moves it.
    pub clock: i64,
    /// What it can carry, as it tells them.
    pub policy: Option<Policy>,
    /// Cursors below this are expired.
    pub expired_below: u64,
    /// Where the instance that answers now stands in the log, if it lags behind the database.
    pub(super) applied: Option<u64>,
    /// The highest seq that a room was ever `limited` at for a user: gaps are allowed up to there.
    pub(super) limited_at: HashMap<(UserId, RoomId), Seq>,
    /// Ids of its own events are numbered on from here.
    pub(crate) ids_taken: u64,
    pub(super) news: Vec<News>,
    /// Most members of a room that brings presence and typing, as it tells them.
    pub ephemeral_members: u32,
    /// What the next who watches is told of others, by poll, socket or stream. Nobody is here for the model.
    pub(crate) ephemeral: Option<Ephemeral>,
    /// Whether `heard`, `heard_syncs` and `credited` are kept.
    pub(crate) records: bool,
    /// The frames and `sync`s that arrived.
    pub(crate) heard: Vec<ClientFrame>,
    pub(crate) heard_syncs: Vec<SyncRequest>,
    /// The cursors that were credited.
    pub(crate) credited: Vec<Cursor>,
}

impl Default for ModelServer {
    fn default() -> Self {
        Self::new()
    }
}

/// The id of a room, by a number.
pub fn room_id(number: u128) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(0x7000 + number))
}

/// The cursor at a place of the delivery log. An event's `at` is its place.
pub fn cursor_at(ord: u64) -> Cursor {
    Cursor::new(format!("c{ord}"))
}

pub(super) fn ord_of(cursor: &Cursor) -> Option<u64> {
    cursor.as_str().strip_prefix('c')?.parse().ok()
}

pub(super) fn not_a_member() -> WireError {
    WireError::new(ErrorCode::NotAMember, "there is no such room, or you are not in it")
}

impl ModelServer {
    /// A server without users.
    pub fn new() -> Self {
        Self {
            epoch: Epoch::new("e1"),
            blocks: BTreeMap::new(),
            reports: Vec::new(),
            profiles: BTreeMap::new(),
            rooms: BTreeMap::new(),
            memberships: HashMap::new(),
            head: 0,
            uploads: BTreeMap::new(),
            uploads_begun: 0,
            max_upload_bytes: limits::UPLOAD_BYTES,
            upload_part_bytes: 1024 * 1024,
            online: 2,
            clock: 1_700_000_000_000,
            policy: None,
            expired_below: 0,
            applied: None,
            limited_at: HashMap::new(),
            ids_taken: 0,
            news: Vec::new(),
            ephemeral_members: limits::EPHEMERAL_MEMBERS,
            ephemeral: None,
            records: false,
            heard: Vec::new(),
            heard_syncs: Vec::new(),
            credited: Vec::new(),
        }
    }

    /// The cursor at the end of the log.
    pub fn head(&self) -> Cursor {
        cursor_at(self.head)
    }

    /// The place of a cursor in the delivery log.
    pub(crate) fn ord(&self, cursor: &Cursor) -> u64 {
        ord_of(cursor).unwrap()
    }

    /// The room, if the user is or was in it.
    pub(super) fn seen_by(
        &self,
        user: &UserId,
        room: RoomId,
    ) -> Result<(&ModelRoom, &Membership), WireError> {
        let room = self.rooms.get(&room).ok_or_else(not_a_member)?;
        let member = room.members.get(user).ok_or_else(not_a_member)?;
        Ok((room, member))
    }

    /// The rooms that the user is in.
    pub fn rooms_of(&self, user: &UserId) -> Vec<RoomId> {
        let rooms = self.memberships.get(user).into_iter().flatten();
        rooms.filter(|room| self.rooms[room].has(user)).copied().collect()
    }

    /// Creates a room, or gives the one that is there.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn create_room(&mut self, by: &UserId, new: NewRoom) -> Result<RoomState, WireError> {
        let mut members = vec![by.clone()];
        for user in &new.members {
            if !members.contains(user) {
                members.push(user.clone());
            }
        }
        if new.kind == RoomKind::Direct && members.len() != 2 {
            let text = "a direct room has exactly one other member, and not oneself";
            return Err(WireError::new(ErrorCode::InvalidContent, text));
        }
        if let Some(room) = self.rooms.get(&new.id) {
            if room.created_by.as_ref() != Some(by) || room.kind != new.kind {
                return Err(WireError::new(ErrorCode::IdTaken, "this id is another room's"));
            }
            return self.state_for(by, new.id);
        }
        let same_pair = |room: &ModelRoom| {
            room.kind == RoomKind::Direct && members.iter().all(|user| room.has(user))
        };
        if new.kind == RoomKind::Direct
            && let Some((id, _)) = self.rooms.iter().find(|(_, room)| same_pair(room))
        {
            return self.state_for(by, *id);
        }
        for user in members.iter().filter(|user| *user != by) {
            self.may_bring(new.kind, by, user)?;
        }
        let created =
            RoomCreated { kind: new.kind, name: new.name.clone(), members: members.clone() };
        let room = ModelRoom::new(new.id, new.kind, new.name, Some(by.clone()));
        self.rooms.insert(new.id, room);
        self.append(new.id, by, EventKind::RoomCreated, &created);
        for user in members {
            let owns = new.kind == RoomKind::Group && user == *by;
            self.admit(new.id, user, if owns { Role::Owner } else { Role::Member });
        }
        self.state_for(by, new.id)
    }

    /// Makes a user a member from the room's head on, without an event.
    pub(super) fn admit(&mut self, id: RoomId, user: UserId, role: Role) {
        let joined_ord = self.head;
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.members.insert(user.clone(), Membership { joined_ord, left: None, role });
        let receipt = Receipt::at(id, user.clone(), room.head());
        room.receipts.insert(user.clone(), (receipt, 0));
        self.memberships.entry(user).or_default().insert(id);
        self.news.push(News::Room { room: id, also: None });
    }

    /// Adds a user to a room, by the will of `by`. One who is in it already stays.
    pub fn add_member(&mut self, room: RoomId, by: &UserId, user: &UserId) {
        if self.rooms.get(&room).is_none_or(|room| room.has(user)) {
            return;
        }
        self.append(room, by, EventKind::MemberJoined, &MemberChange { user: user.clone() });
        self.admit(room, user.clone(), Role::Member);
    }

    /// Takes a user out of a room, by the will of `by`.
    pub fn remove_member(&mut self, room: RoomId, by: &UserId, user: &UserId) {
        if self.rooms.get(&room).is_none_or(|room| !room.has(user)) {
            return;
        }
        let change = MemberChange { user: user.clone() };
        let seq = self.append(room, by, EventKind::MemberLeft, &change).seq;
        let head = self.head;
        if let Some(log) = self.rooms.get_mut(&room) {
            log.receipts.remove(user);
            log.settings.remove(user);
            if let Some(member) = log.members.get_mut(user) {
                member.left = Some((head, seq));
            }
            log.left_looks.insert(user.clone(), log.looks());
            if let Some(heir) = inherit(log) {
                let change = RoleChange { user: heir, role: Role::Owner };
                self.append(room, by, EventKind::MemberRole, &change);
            }
        }
        self.news.push(News::Room { room, also: Some(user.clone()) });
    }

    /// Somebody tells how far he is.
    pub fn take_receipt(&mut self, user: &UserId, update: ReceiptUpdate) {
        let Some(room) = self.rooms.get_mut(&update.room) else { return };
        let head = room.head();
        let shared = room.shares_receipts();
        let Some((receipt, ord)) = room.receipts.get_mut(user) else { return };
        let cut = |seq: Option<Seq>| seq.unwrap_or_default().min(head);
        if receipt.raise(cut(update.delivered), cut(update.read)) {
            self.head += 1;
            *ord = self.head;
            room.receipt_ord = self.head;
            self.news.push(if shared {
                News::Room { room: update.room, also: None }
            } else {
                News::User(user.clone())
            });
        }
    }

    /// Somebody says something, whether or not he is in the room.
    pub fn speak(&mut self, room: RoomId, user: &UserId, text: &str) -> Event {
        self.speak_to(room, user, text, None)
    }

    /// The same, calling these users by name.
    pub fn speak_to(
        &mut self,
        room: RoomId,
        user: &UserId,
        text: &str,
        mentions: impl IntoIterator<Item = UserId>,
    ) -> Event {
        let mentions = mentions.into_iter().collect();
        let message = MessageContent { mentions, ..MessageContent::of_text(text) };
        self.append(room, user, EventKind::Message, &message)
    }

    /// The same under an id of the caller's choice.
    #[cfg(test)]
    pub(crate) fn speak_as(&mut self, room: RoomId, user: &UserId, text: &str, id: EventId) {
        let content = Content::of(&MessageContent::of_text(text)).unwrap();
        self.write(room, user, Op { id, kind: EventKind::Message, content });
    }

    /// An event that no client has sent.
    pub(crate) fn append<T: serde::Serialize>(
        &mut self,
        room: RoomId,
        sender: &UserId,
        kind: EventKind,
        content: &T,
    ) -> Event {
        self.ids_taken += 1;
        let id = EventId::from_uuid(Uuid::from_u128(0x9_0000 + u128::from(self.ids_taken)));
        let content = Content::of(content).unwrap();
        self.write(room, sender, Op { id, kind, content })
    }

    pub(super) fn write(&mut self, id: RoomId, sender: &UserId, op: Op) -> Event {
        self.head += 1;
        let head = self.head;
        let new = || ModelRoom::new(id, RoomKind::Group, Some("room".into()), None);
        let room = self.rooms.entry(id).or_insert_with(new);
        let event = Event {
            id: op.id,
            room: id,
            seq: room.head().next(),
            sender: sender.clone(),
            at: head as i64,
            kind: op.kind,
            content: op.content,
            fold: None,
        };
        room.ids.insert(event.id, room.log.len());
        if let Some(named) = named_by(&event) {
            room.named.entry(named).or_default().push(room.log.len());
        }
        room.log.push(event.clone());
        room.ords.push(head);
        self.news.push(News::Room { room: id, also: None });
        event
    }

    /// The event of a room under an id.
    pub fn event(&self, room: RoomId, id: EventId) -> Option<&Event> {
        let room = self.rooms.get(&room)?;
        room.log.get(*room.ids.get(&id)?)
    }

    /// The seqs of a room that a cursor of the user's has passed; none before he was in it.
    pub(crate) fn seqs_up_to(&self, user: &UserId, room: RoomId, ord: u64) -> u64 {
        let Ok((room, member)) = self.seen_by(user, room) else { return 0 };
        if member.joined_ord > ord {
            return 0;
        }
        let passed = room.ords.partition_point(|other| *other <= ord) as u64;
        passed.min(room.last_seen_by(member).get())
    }

    /// The state of a room for somebody who is or was in it.
    ///
    /// # Errors
    /// `not_a_member`.
    pub fn state_for(&self, user: &UserId, id: RoomId) -> Result<RoomState, WireError> {
        let (room, member) = self.seen_by(user, id)?;
        let joined = member.left.is_none();
        let head = room.last_seen_by(member);
        let base = |(receipt, _): &(Receipt, u64)| UnreadBase {
            unread: room.unread(user, receipt.read, head),
            mentions: room.mentions(user, receipt.read),
            as_of: head,
            read: receipt.read,
        };
        let receipts = room.receipts.values().map(|(receipt, _)| receipt.clone());
        let Looks { name, avatar_url, members } = match room.left_looks.get(user) {
            Some(looks) if !joined => looks.clone(),
            _ => room.looks(),
        };
        let peer = room.members.keys().find(|other| *other != user);
        let settings = room.settings.get(user).copied().unwrap_or_default();
        Ok(RoomState {
            id,
            kind: room.kind,
            name,
            avatar_url,
            settings: settings.now,
            settings_version: settings.version,
            peer: peer.filter(|_| room.kind == RoomKind::Direct).cloned(),
            created_at: 1,
            members,
            role: member.role,
            mute: room.mute_of(user, self.clock).filter(|_| joined),
            slow_mode_ms: room.slow_mode_ms,
            joined,
            first_seq: Seq::new(1),
            head_seq: head,
            unread_base: room.receipts.get(user).filter(|_| joined).map(base),
            receipts: receipts.filter(|_| joined && room.shares_receipts()).collect(),
            last_event: room.log.get(head.previous().get() as usize).cloned(),
            last_message: room.last_message(head, user),
        })
    }

    pub(super) fn take_news(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        news.sort_unstable();
        news.dedup();
        news
    }
}

/// A group without an owner goes to the moderator who has been in it for the longest time, without
/// moderators to the member. Gives who that is.
fn inherit(room: &mut ModelRoom) -> Option<UserId> {
    let owned = room.members.values().any(|m| m.left.is_none() && m.role == Role::Owner);
    if room.kind != RoomKind::Group || owned {
        return None;
    }
    let present = room.members.iter_mut().filter(|(_, member)| member.left.is_none());
    let (user, heir) = present.min_by_key(|(_, m)| (m.role != Role::Moderator, m.joined_ord))?;
    heir.role = Role::Owner;
    Some(user.clone())
}
