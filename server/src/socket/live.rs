//! Live rooms: the newest events of a few rooms as they happen. Each room has its own place in its
//! own log, so that a hole in the queue is seen and filled from there.

use std::collections::HashMap;
use std::sync::Arc;

use tidewire_protocol::{ErrorCode, Live, LiveFrom, RoomId, Seq, WireError, limits};

use super::peer::{End, Outbound};
use super::session::Session;
use crate::hub::Hub;
use crate::inbox::{Inbox, Taken};
use crate::store::{Change, Entry, EventJson, LiveRead, News, StoreError};

struct LiveRoom {
    /// The newest seq that was sent, or that the client said it has.
    last: Seq,
    /// Whether the log has to be read before the inbox.
    behind: bool,
    /// Whether the user has been found to be a member.
    admitted: bool,
}

/// The live rooms of one connection.
pub(super) struct LiveRooms {
    rooms: HashMap<RoomId, LiveRoom>,
    hub: Arc<Hub>,
    inbox: Arc<Inbox>,
}

impl LiveRooms {
    pub(super) fn new(hub: Arc<Hub>, inbox: Arc<Inbox>) -> Self {
        Self { rooms: HashMap::new(), hub, inbox }
    }

    /// Whether the log of a room has to be read.
    pub(super) fn is_behind(&self) -> bool {
        self.rooms.values().any(|room| room.behind)
    }

    /// Makes a room live, or begins it anew. False if there are too many.
    fn add(&mut self, from: LiveFrom) -> bool {
        if !self.rooms.contains_key(&from.room) {
            if self.rooms.len() >= limits::LIVE_ROOMS {
                return false;
            }
            // Registered before the log is read, so that nothing falls between the two.
            self.inbox.set_live(true);
            self.hub.subscribe(from.room, &self.inbox);
        }
        self.rooms.insert(from.room, LiveRoom { last: from.after, behind: true, admitted: false });
        true
    }

    pub(super) fn remove(&mut self, room: RoomId) {
        if self.rooms.remove(&room).is_some() {
            self.hub.unsubscribe(room, &self.inbox);
        }
        if self.rooms.is_empty() {
            self.inbox.set_live(false);
        }
    }

    /// Ends those that are not in `wanted`.
    pub(super) fn retain(&mut self, wanted: &[LiveFrom]) {
        let ended: Vec<RoomId> = self
            .rooms
            .keys()
            .filter(|room| !wanted.iter().any(|from| from.room == **room))
            .copied()
            .collect();
        ended.into_iter().for_each(|room| self.remove(room));
    }
}

impl Drop for LiveRooms {
    fn drop(&mut self) {
        for room in self.rooms.keys() {
            self.hub.unsubscribe(*room, &self.inbox);
        }
    }
}

impl Session {
    pub(super) async fn subscribe(&mut self, from: LiveFrom) -> Result<(), End> {
        if self.live.add(from) {
            return Ok(());
        }
        let text = format!("at most {} rooms are live: end another one", limits::LIVE_ROOMS);
        self.peer.tell(WireError::new(ErrorCode::InvalidContent, text), Some(from.room)).await
    }

    /// Sends what there is to send: of one room from the log, else of all from the inbox.
    pub(super) async fn push_live(&mut self) -> Result<(), End> {
        let behind = self.live.rooms.iter().find(|(_, room)| room.behind).map(|(id, _)| *id);
        if let Some(room) = behind {
            return self.live_from_log(room).await;
        }
        let entries = match self.inbox.take_live() {
            Taken::Lost => {
                self.app.metrics.overflowed();
                self.live.rooms.values_mut().for_each(|room| room.behind = true);
                return Ok(());
            }
            Taken::Entries(entries) => entries,
        };
        let mut order = Vec::new();
        let mut by_room: HashMap<RoomId, Vec<Arc<Entry>>> = HashMap::new();
        for entry in entries {
            let Some(room) = entry.room else { continue };
            let entries = by_room.entry(room).or_default();
            if entries.is_empty() {
                order.push(room);
            }
            entries.push(entry);
        }
        for room in order {
            if let Some(entries) = by_room.remove(&room) {
                self.live_from_inbox(room, entries).await?;
            }
        }
        Ok(())
    }

    async fn live_from_log(&mut self, id: RoomId) -> Result<(), End> {
        let Some(room) = self.live.rooms.get_mut(&id) else { return Ok(()) };
        match self.app.store.live_after(id, self.user.clone(), room.last).await {
            Ok(LiveRead::Limited(state)) if state.joined => {
                room.last = state.head_seq;
                (room.behind, room.admitted) = (false, true);
                self.peer.send(&Outbound::Limited { room: state }).await
            }
            Ok(LiveRead::Events { events, prev, more, joined }) if joined || room.admitted => {
                room.last = Seq::new(prev.get() + events.len() as u64);
                (room.behind, room.admitted) = (more, true);
                if !events.is_empty() {
                    let live = Live { room: id, prev, events };
                    self.peer.send(&Outbound::Live(live)).await?;
                }
                if !joined && !more {
                    self.live.remove(id);
                }
                Ok(())
            }
            Ok(LiveRead::Limited(state)) if room.admitted => {
                self.live.remove(id);
                self.peer.send(&Outbound::Limited { room: state }).await
            }
            Ok(_) | Err(StoreError::NotAMember) => {
                self.live.remove(id);
                self.peer.tell(StoreError::NotAMember.into(), Some(id)).await
            }
            // The client comes back in the slot given, with its rooms.
            Err(error) => Err(End::Error(error.into())),
        }
    }

    async fn live_from_inbox(&mut self, id: RoomId, entries: Vec<Arc<Entry>>) -> Result<(), End> {
        let mut left = false;
        let Some(room) = self.live.rooms.get_mut(&id) else { return Ok(()) };
        let mut prev = room.last;
        let mut frames: Vec<Live<EventJson>> = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let News::Event(event) = &entry.news else { continue };
            if event.seq <= room.last {
                continue;
            }
            if event.seq != room.last.next() {
                room.behind = true;
                break;
            }
            bytes += event.json.get().len();
            match frames.last_mut() {
                Some(frame)
                    if frame.events.len() < limits::PAGE_EVENTS && bytes <= limits::PAGE_BYTES =>
                {
                    frame.events.push(event.json.clone());
                }
                _ => {
                    bytes = event.json.get().len();
                    frames.push(Live { room: id, prev, events: vec![event.json.clone()] });
                }
            }
            room.last = event.seq;
            prev = event.seq;
            if event.change.as_ref() == Some(&Change::Left(self.user.clone())) {
                left = true;
                break;
            }
        }
        for frame in frames {
            self.peer.send(&Outbound::Live(frame)).await?;
        }
        if left {
            self.live.remove(id);
        }
        Ok(())
    }
}
