//! A model of the server: one shard, everything in memory, as `docs/protocol.md` says.

use std::collections::BTreeMap;

use tidewire_protocol::{
    Bootstrap, ClientFrame, Content, Cursor, Epoch, ErrorCode, Event, EventId, EventKind, Hello,
    History, HistoryAnchor, HistoryQuery, Live, MemberChange, MessageContent, Op, OpOutcome,
    OpResult, Page, Receipt, ReceiptUpdate, Role, RoomId, RoomKind, RoomOps, RoomState, Sent, Seq,
    ServerFrame, SyncRequest, SyncResponse, Synced, UnreadBase, UserId, Welcome, WireError, limits,
};
use uuid::Uuid;

use crate::engine::{Request, RequestError, Response};

#[derive(Debug, Default)]
pub(crate) struct ModelRoom {
    pub(crate) log: Vec<Event>,
    ords: Vec<u64>,
    joined_ord: Option<u64>,
    /// Of the members, each with its place in the delivery log.
    pub(crate) receipts: BTreeMap<UserId, (Receipt, u64)>,
}

#[derive(Debug)]
pub(crate) struct ModelServer {
    pub(crate) user: UserId,
    pub(crate) epoch: Epoch,
    pub(crate) rooms: BTreeMap<RoomId, ModelRoom>,
    head: u64,
    pub(crate) online: u32,
    /// Its clock, in ms since 1970-01-01 UTC.
    pub(crate) clock: i64,
    /// Cursors below this are expired.
    pub(crate) expired_below: u64,
    /// The highest seq that a room was ever `limited` at: gaps are allowed up to there.
    pub(crate) limited_at: BTreeMap<RoomId, Seq>,
    pub(crate) ids_taken: u64,
    /// The cursors that were credited.
    pub(crate) credited: Vec<Cursor>,
    /// The frames and `sync`s that arrived.
    pub(crate) heard: Vec<ClientFrame>,
    pub(crate) heard_syncs: Vec<SyncRequest>,
}

/// What the server knows of a socket.
#[derive(Debug, Default)]
pub(crate) struct ModelSocket {
    feed: Option<Cursor>,
    pub(crate) live: BTreeMap<RoomId, Seq>,
}

pub(crate) fn room_id(number: u128) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(0x7000 + number))
}

pub(crate) fn cursor(ord: u64) -> Cursor {
    Cursor::new(format!("c{ord}"))
}

fn ord_of(cursor: &Cursor) -> Option<u64> {
    cursor.as_str().strip_prefix('c')?.parse().ok()
}

impl ModelServer {
    pub(crate) fn new() -> Self {
        Self {
            user: UserId::new("ada").unwrap(),
            epoch: Epoch::new("e1"),
            rooms: BTreeMap::new(),
            head: 0,
            online: 2,
            clock: 1_700_000_000_000,
            expired_below: 0,
            limited_at: BTreeMap::new(),
            ids_taken: 0,
            credited: Vec::new(),
            heard: Vec::new(),
            heard_syncs: Vec::new(),
        }
    }

    /// Adds the user to a room, which is made if it was not there.
    pub(crate) fn join(&mut self, room: RoomId) {
        let kind = EventKind::Other("test.joined".into());
        self.rooms.entry(room).or_default();
        self.append(room, "bob", kind, "{}");
        let head = self.head;
        let (user, id) = (self.user.clone(), room);
        let room = self.rooms.get_mut(&room).unwrap();
        room.joined_ord.get_or_insert(head);
        let receipt = Receipt::at(id, user.clone(), Seq::new(room.log.len() as u64));
        room.receipts.entry(user).or_insert((receipt, 0));
    }

    /// Adds somebody else, or takes him out.
    pub(crate) fn change_member(&mut self, room: RoomId, name: &str, joins: bool) {
        let user = UserId::new(name).unwrap();
        let known = self.rooms.get(&room).is_some_and(|room| room.receipts.contains_key(&user));
        if known == joins {
            return;
        }
        let kind = if joins { EventKind::MemberJoined } else { EventKind::MemberLeft };
        let change = serde_json::to_string(&MemberChange { user: user.clone() }).unwrap();
        let seq = self.append(room, "bob", kind, &change).seq;
        let receipts = &mut self.rooms.get_mut(&room).unwrap().receipts;
        if joins {
            receipts.insert(user.clone(), (Receipt::at(room, user, seq), 0));
        } else {
            receipts.remove(&user);
        }
    }

    /// Somebody tells how far he is.
    pub(crate) fn put_receipt(&mut self, name: &str, update: ReceiptUpdate) {
        let Some(room) = self.rooms.get_mut(&update.room) else { return };
        let head = Seq::new(room.log.len() as u64);
        let Some((receipt, ord)) = room.receipts.get_mut(&UserId::new(name).unwrap()) else {
            return;
        };
        let cut = |seq: Option<Seq>| seq.unwrap_or_default().min(head);
        if receipt.raise(cut(update.delivered), cut(update.read)) {
            self.head += 1;
            *ord = self.head;
        }
    }

    fn put_receipts(&mut self, updates: Vec<ReceiptUpdate>) {
        assert!(updates.len() <= limits::RECEIPTS_PER_REQUEST);
        let name = self.user.to_string();
        updates.into_iter().for_each(|update| self.put_receipt(&name, update));
    }

    /// The receipt of a member.
    pub(crate) fn receipt(&self, room: RoomId, name: &str) -> Receipt {
        self.rooms[&room].receipts[&UserId::new(name).unwrap()].0.clone()
    }

    /// How many messages of others stand in a room with `after < seq <= up_to`.
    pub(crate) fn unread(&self, room: RoomId, after: Seq, up_to: Seq) -> u32 {
        let counts = |event: &&Event| {
            event.kind == EventKind::Message
                && event.sender != self.user
                && event.seq > after
                && event.seq <= up_to
        };
        self.rooms[&room].log.iter().filter(counts).count() as u32
    }

    /// Somebody says something.
    pub(crate) fn say(&mut self, room: RoomId, text: &str) -> Event {
        let content = MessageContent::of_text(text);
        let json = serde_json::to_string(&content).unwrap();
        self.append(room, "bob", EventKind::Message, &json)
    }

    fn append(&mut self, room: RoomId, sender: &str, kind: EventKind, json: &str) -> Event {
        self.ids_taken += 1;
        let id = EventId::from_uuid(Uuid::from_u128(0x9_0000 + u128::from(self.ids_taken)));
        let content = Content::from_json(json.into()).unwrap();
        self.write(room, UserId::new(sender).unwrap(), Op { id, kind, content })
    }

    fn write(&mut self, room: RoomId, sender: UserId, op: Op) -> Event {
        self.head += 1;
        let head = self.head;
        let log = self.rooms.entry(room).or_default();
        let event = Event {
            id: op.id,
            room,
            seq: Seq::new(log.log.len() as u64 + 1),
            sender,
            at: head as i64,
            kind: op.kind,
            content: op.content,
        };
        log.log.push(event.clone());
        log.ords.push(head);
        let bob = UserId::new("bob").unwrap();
        log.receipts.entry(bob.clone()).or_insert((Receipt::at(room, bob, event.seq), 0));
        event
    }

    pub(crate) fn head(&self) -> Cursor {
        cursor(self.head)
    }

    pub(crate) fn ord(&self, cursor: &Cursor) -> u64 {
        ord_of(cursor).unwrap()
    }

    /// The seqs of a room that a cursor has passed; none before the user was in it.
    pub(crate) fn seqs_up_to(&self, room: RoomId, ord: u64) -> u64 {
        let room = &self.rooms[&room];
        if room.joined_ord.is_none_or(|joined| joined > ord) {
            return 0;
        }
        room.ords.partition_point(|other| *other <= ord) as u64
    }

    pub(crate) fn room_state(&self, id: RoomId) -> RoomState {
        let room = &self.rooms[&id];
        let head = Seq::new(room.log.len() as u64);
        let base = |read| UnreadBase {
            unread: self.unread(id, read, head),
            mentions: 0,
            as_of: head,
            read,
        };
        let own = room.joined_ord.and_then(|_| room.receipts.get(&self.user));
        let small = room.receipts.len() <= limits::RECEIPT_MEMBERS as usize;
        let receipts = room.receipts.values().map(|(receipt, _)| receipt.clone());
        RoomState {
            id,
            kind: RoomKind::Group,
            name: Some("room".into()),
            peer: None,
            created_at: 1,
            members: room.receipts.len() as u32,
            role: Role::Member,
            joined: room.joined_ord.is_some(),
            first_seq: Seq::new(1),
            head_seq: head,
            unread_base: own.map(|(receipt, _)| base(receipt.read)),
            receipts: receipts.filter(|_| own.is_some() && small).collect(),
            last_event: room.log.last().cloned(),
        }
    }

    pub(crate) fn page(
        &mut self,
        from: &Cursor,
        limit: usize,
        have: &BTreeMap<RoomId, Seq>,
    ) -> Result<Page, WireError> {
        let invalid = || WireError::new(ErrorCode::CursorInvalid, "no such cursor");
        let start = ord_of(from).filter(|ord| *ord <= self.head).ok_or_else(invalid)?;
        if start < self.expired_below {
            return Err(WireError::new(ErrorCode::CursorExpired, "too old"));
        }
        let mut limited = Vec::new();
        enum Item {
            Event(Event),
            Receipt(Receipt),
        }
        let mut items: Vec<(u64, Item)> = Vec::new();
        for (id, room) in &self.rooms {
            let Some(joined) = room.joined_ord else { continue };
            let small = room.receipts.len() <= limits::RECEIPT_MEMBERS as usize;
            let moved = room.receipts.values().filter(|(receipt, ord)| {
                *ord > start.max(joined) && (small || receipt.user == self.user)
            });
            items.extend(moved.map(|(receipt, ord)| (*ord, Item::Receipt(receipt.clone()))));
            let first = room.ords.partition_point(|ord| *ord <= start);
            let news = room.log.len() - first;
            if news == 0 {
                continue;
            }
            if joined > start || news > limit {
                limited.push(self.room_state(*id));
                self.limited_at.insert(*id, Seq::new(room.log.len() as u64));
                continue;
            }
            let known = have.get(id).copied().unwrap_or_default();
            let bodies = room.ords.iter().copied().zip(room.log.iter().cloned()).skip(first);
            let news = bodies.filter(|(_, event)| event.seq > known);
            items.extend(news.map(|(ord, event)| (ord, Item::Event(event))));
        }
        items.sort_by_key(|(ord, _)| *ord);
        let more = items.len() > limit;
        let to = if more { items[limit].0 - 1 } else { self.head };
        items.truncate(limit);
        let (mut events, mut receipts) = (Vec::new(), Vec::new());
        for (_, item) in items {
            match item {
                Item::Event(event) => events.push(event),
                Item::Receipt(receipt) => receipts.push(receipt),
            }
        }
        Ok(Page { from: from.clone(), events, to: cursor(to), more, limited, receipts })
    }

    pub(crate) fn apply(&mut self, room: RoomId, ops: Vec<Op>) -> Sent {
        let mut results = Vec::new();
        for op in ops {
            let log = &self.rooms.entry(room).or_default().log;
            let known = log.iter().find(|event| event.id == op.id).cloned();
            let event = known.unwrap_or_else(|| {
                let user = self.user.clone();
                self.write(room, user, op.clone())
            });
            let outcome = OpOutcome::Accepted { seq: event.seq, at: event.at };
            results.push(OpResult { id: op.id, outcome });
        }
        Sent { room, results, error: None }
    }

    pub(crate) fn sync(&mut self, request: SyncRequest) -> Result<SyncResponse, WireError> {
        self.heard_syncs.push(request.clone());
        let results =
            request.ops.into_iter().map(|RoomOps { room, ops }| self.apply(room, ops)).collect();
        self.put_receipts(request.receipts);
        let page = match &request.cursor {
            Some(cursor) => Some(self.page(cursor, request.limit, &request.have)?),
            None => None,
        };
        Ok(SyncResponse { page, results, online: self.online, policy: None, now: self.clock })
    }

    fn history(&self, room: RoomId, query: HistoryQuery) -> History {
        let log = &self.rooms[&room].log;
        let head = log.len() as u64;
        let limit = query.limit.unwrap_or(100) as u64;
        let (first, last) = match query.anchor().unwrap() {
            HistoryAnchor::Newest => (head.saturating_sub(limit) + 1, head),
            HistoryAnchor::Before(seq) => {
                let last = seq.previous().get().min(head);
                (last.saturating_sub(limit) + 1, last)
            }
            HistoryAnchor::After(seq) => (seq.get() + 1, (seq.get() + limit).min(head)),
            HistoryAnchor::Around(seq) => {
                let first = seq.get().saturating_sub(limit / 2).max(1);
                (first, (first + limit - 1).min(head))
            }
        };
        let messages =
            log.iter().filter(|event| (first..=last).contains(&event.seq.get())).cloned().collect();
        let covers = (first <= last).then(|| (Seq::new(first), Seq::new(last)));
        History { messages, covers, as_of: Seq::new(head), first_seq: Seq::new(1) }
    }

    /// Carries out a request.
    pub(crate) fn answer(&mut self, request: Request) -> Result<Response, RequestError> {
        Ok(match request {
            Request::Sync(sync) => Response::Sync(self.sync(sync)?),
            Request::Bootstrap => {
                let joined = self.rooms.iter().filter(|(_, room)| room.joined_ord.is_some());
                let ids: Vec<RoomId> = joined.map(|(id, _)| *id).collect();
                for id in &ids {
                    let head = Seq::new(self.rooms[id].log.len() as u64);
                    self.limited_at.insert(*id, head);
                }
                Response::Bootstrap(Bootstrap {
                    user: self.user.clone(),
                    epoch: self.epoch.clone(),
                    cursor: self.head(),
                    rooms: ids.into_iter().map(|id| self.room_state(id)).collect(),
                    next: None,
                    online: self.online,
                    policy: None,
                    idempotency_window_ms: 90 * 24 * 3_600_000,
                    now: self.clock,
                })
            }
            Request::Room(room) => Response::Room(self.room_state(room)),
            Request::History(room, query) => Response::History(self.history(room, query)),
            Request::Ops(room, ops) => Response::Ops(self.apply(room, ops.ops)),
            other => unreachable!("the model has no such call: {other:?}"),
        })
    }

    /// Takes a frame of a socket and gives the direct answers to it.
    pub(crate) fn frame(
        &mut self,
        socket: &mut ModelSocket,
        frame: ClientFrame,
    ) -> Vec<ServerFrame> {
        self.heard.push(frame.clone());
        match frame {
            ClientFrame::Hello(Hello { cursor, feed, live, .. }) => {
                socket.feed = cursor.filter(|_| feed);
                socket.live = live.into_iter().map(|live| (live.room, live.after)).collect();
                vec![ServerFrame::Welcome(Welcome {
                    user: self.user.clone(),
                    epoch: self.epoch.clone(),
                    online: self.online,
                    policy: None,
                    idempotency_window_ms: 90 * 24 * 3_600_000,
                    now: self.clock,
                })]
            }
            ClientFrame::Subscribe(live) => {
                socket.live.insert(live.room, live.after);
                Vec::new()
            }
            ClientFrame::Unsubscribe { room } => {
                socket.live.remove(&room);
                Vec::new()
            }
            ClientFrame::Send(RoomOps { room, ops }) => {
                vec![ServerFrame::Sent(self.apply(room, ops))]
            }
            ClientFrame::Sync { request, sync } => {
                let (response, error) = match self.sync(sync) {
                    Ok(response) => (Some(response), None),
                    Err(error) => (None, Some(error)),
                };
                vec![ServerFrame::Synced(Synced { request, response, error })]
            }
            ClientFrame::Receipts { receipts } => {
                self.put_receipts(receipts);
                Vec::new()
            }
            ClientFrame::Ping => vec![ServerFrame::Pong],
            ClientFrame::Credit { cursor } => {
                self.credited.push(cursor);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// What the server pushes to a socket by itself.
    pub(crate) fn push(&mut self, socket: &mut ModelSocket) -> Vec<ServerFrame> {
        let mut frames = Vec::new();
        while let Some(from) = socket.feed.clone() {
            if from == self.head() {
                break;
            }
            match self.page(&from, 50, &BTreeMap::new()) {
                Ok(page) => {
                    socket.feed = Some(page.to.clone());
                    frames.push(ServerFrame::Batch(page));
                }
                Err(error) => {
                    socket.feed = None;
                    frames.push(ServerFrame::Error { error, room: None });
                }
            }
        }
        let rooms: Vec<RoomId> = socket.live.keys().copied().collect();
        for id in rooms {
            let after = socket.live[&id];
            let log = &self.rooms[&id].log;
            let events: Vec<Event> = log[(after.get() as usize).min(log.len())..].to_vec();
            let Some(last) = events.last() else { continue };
            socket.live.insert(id, last.seq);
            frames.push(if events.len() > 50 {
                ServerFrame::Limited { room: self.room_state(id) }
            } else {
                ServerFrame::Live(Live { room: id, prev: after, events })
            });
        }
        frames
    }
}
