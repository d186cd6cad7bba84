//! What a user reads of the model server's log: pages of the feed, the list of rooms.

use std::collections::BTreeMap;

use tidewire_protocol::{
    BlockList, Bootstrap, Cursor, ErrorCode, Event, Page, Receipt, RoomId, RoomState, Seq,
    SettingsNews, UserId, WireError, limits,
};

use super::server::{ModelRoom, ModelServer, cursor_at, ord_of};

enum Item {
    Event(Event),
    Limited(RoomId),
    Receipt(Receipt),
    Settings(SettingsNews),
    Blocks(BlockList),
}

impl ModelServer {
    /// Where reading begins.
    ///
    /// # Errors
    /// `cursor_invalid` and `cursor_expired`.
    pub(super) fn decode(&self, cursor: &Cursor) -> Result<u64, WireError> {
        let invalid = || WireError::new(ErrorCode::CursorInvalid, "no such cursor");
        let ord = ord_of(cursor).filter(|ord| *ord <= self.head).ok_or_else(invalid)?;
        if ord < self.expired_below {
            return Err(WireError::new(ErrorCode::CursorExpired, "too old"));
        }
        Ok(ord)
    }

    /// How far the instance that answers looks for somebody who has read up to `start`: as far as
    /// it stands, or, for one who is further than that, to the head of the database.
    fn horizon(&self, start: u64) -> u64 {
        self.applied.filter(|applied| start <= *applied).unwrap_or(self.head).min(self.head)
    }

    /// A page of the user's feed, of at most `limit` items. A room with more news than `room_limit`
    /// comes as `limited`.
    pub(super) fn page(
        &mut self,
        user: &UserId,
        from: &Cursor,
        (limit, room_limit): (usize, usize),
        have: &BTreeMap<RoomId, Seq>,
    ) -> Result<Page, WireError> {
        let start = self.decode(from)?;
        let horizon = self.horizon(start);
        let mut items: Vec<(u64, Item)> = Vec::new();
        for id in self.memberships.get(user).into_iter().flatten() {
            let room = &self.rooms[id];
            news_of(
                room,
                *id,
                user,
                (start, horizon),
                room_limit,
                have.get(id).copied(),
                &mut items,
            );
        }
        let (list, ord) = self.blocks_of(user);
        if ord > start && ord <= horizon {
            items.push((ord, Item::Blocks(list)));
        }
        items.sort_by_key(|(ord, _)| *ord);
        let more = items.len() > limit;
        let to = if more { items[limit].0 - 1 } else { horizon };
        items.truncate(limit);
        let (mut events, mut limited) = (Vec::new(), Vec::new());
        let (mut receipts, mut settings, mut blocks) = (Vec::new(), Vec::new(), None);
        for (_, item) in items {
            match item {
                Item::Event(event) => events.push(event),
                Item::Limited(id) => limited.push(self.limited(user, id)?),
                Item::Receipt(receipt) => receipts.push(receipt),
                Item::Settings(news) => settings.push(news),
                Item::Blocks(list) => blocks = Some(list),
            }
        }
        let to = if to == start { from.clone() } else { cursor_at(to) };
        Ok(Page { from: from.clone(), events, to, more, limited, receipts, settings, blocks })
    }

    /// The state of a room as the feed tells it: gaps are allowed up to its head.
    pub(super) fn limited(&mut self, user: &UserId, id: RoomId) -> Result<RoomState, WireError> {
        let state = self.state_for(user, id)?;
        self.limited_at.insert((user.clone(), id), state.head_seq);
        Ok(state)
    }

    /// Where a client without a cursor begins. All rooms are on the first page.
    pub(super) fn bootstrap(&mut self, user: &UserId) -> Result<Bootstrap, WireError> {
        let cursor = cursor_at(self.horizon(0).max(self.expired_below));
        let mut rooms = self.rooms_of(user);
        rooms.sort_by_key(|id| std::cmp::Reverse(self.rooms[id].ords.last().copied()));
        // What happened in a room before the user left it is not told any more.
        for id in self.memberships.get(user).into_iter().flatten() {
            if let Ok((room, member)) = self.seen_by(user, *id) {
                self.limited_at.insert((user.clone(), *id), room.last_seen_by(member));
            }
        }
        let rooms: Result<_, _> = rooms.into_iter().map(|id| self.limited(user, id)).collect();
        Ok(Bootstrap {
            user: user.clone(),
            epoch: self.epoch.clone(),
            cursor,
            rooms: rooms?,
            next: None,
            blocks: self.blocked_by(user),
            online: self.online,
            policy: self.policy,
            ephemeral_members: self.ephemeral_members,
            max_upload_bytes: self.max_upload_bytes,
            idempotency_window_ms: limits::IDEMPOTENCY_WINDOW_MS,
            now: self.clock,
        })
    }
}

/// What one room has for a user between two places of the log.
fn news_of(
    room: &ModelRoom,
    id: RoomId,
    user: &UserId,
    (start, horizon): (u64, u64),
    room_limit: usize,
    have: Option<Seq>,
    items: &mut Vec<(u64, Item)>,
) {
    let Some(member) = room.members.get(user) else { return };
    let quiet = room.ords.last().is_none_or(|ord| *ord <= start)
        && room.receipt_ord.max(room.settings_ord) <= start;
    if quiet || member.joined_ord > horizon || member.left.is_some_and(|(ord, _)| ord <= start) {
        return;
    }
    let from = start.max(member.joined_ord);
    if member.left.is_none() && room.receipt_ord > from {
        let moved = |(receipt, ord): &(Receipt, u64)| {
            (*ord > from && *ord <= horizon).then(|| (*ord, Item::Receipt(receipt.clone())))
        };
        if room.shares_receipts() {
            items.extend(room.receipts.values().filter_map(moved));
        } else {
            // The others of a large room are not looked at.
            items.extend(room.receipts.get(user).and_then(moved));
        }
    }
    if let Some(of) = room.settings.get(user)
        && (of.ord > from && of.ord <= horizon)
    {
        let news = SettingsNews { room: id, settings: of.now, version: of.version };
        items.push((of.ord, Item::Settings(news)));
    }
    if member.joined_ord > start {
        // Joined since: the state says all up to the head.
        items.push((member.joined_ord, Item::Limited(id)));
        return;
    }
    let seen = room.last_seen_by(member).get() as usize;
    let last = room.ords.partition_point(|ord| *ord <= horizon).min(seen);
    let held = have.unwrap_or_default().get() as usize;
    let first = room.ords.partition_point(|ord| *ord <= start).max(held);
    if first >= last {
        return;
    }
    if last - first > room_limit {
        items.push((room.ords[first], Item::Limited(id)));
        return;
    }
    let news = room.ords[first..last].iter().zip(&room.log[first..last]);
    items.extend(news.map(|(ord, event)| (*ord, Item::Event(event.clone()))));
}
