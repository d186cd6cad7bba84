//! A socket as the model server sees it.

use std::collections::{BTreeMap, VecDeque};

use tidewire_protocol::{
    ClientFrame, Cursor, Ephemeral, ErrorCode, EventsQuery, Hello, Live, LiveFrom, RoomId, Seq,
    ServerFrame, Synced, UserId, Welcome, WireError, limits,
};

use super::server::{ModelServer, not_a_member};

/// A feed that is pushed.
#[derive(Debug)]
struct Feed {
    /// The `to` of the last page, which is the `from` of the next.
    cursor: Cursor,
    /// Everything up to here has been pushed or does not concern the user.
    position: Cursor,
    /// The first page goes out even if it is empty: the client learns that it has caught up.
    fresh: bool,
    /// Pushed pages that no `credit` has covered: where they end, and how much they weigh.
    unconfirmed: VecDeque<(u64, usize)>,
}

/// What the server knows of a socket.
#[derive(Debug, Default)]
pub struct ModelSocket {
    feed: Option<Feed>,
    /// Up to where each has been sent, and whether the user was found to be in it.
    live: BTreeMap<RoomId, (Seq, bool)>,
    /// Whether rooms are watched on it.
    watches: bool,
    /// Whether it is an event stream: then whatever was pushed counts as credited.
    pub(super) stream: bool,
    /// Whether a `hello` was heard.
    pub(super) greeted: bool,
    /// The longest silence that the client declared.
    pub(super) heartbeat_ms: u64,
}

impl ModelSocket {
    /// The rooms that are live on it.
    pub fn live(&self) -> impl Iterator<Item = RoomId> + '_ {
        self.live.keys().copied()
    }
}

impl ModelServer {
    /// Begins an event stream: what it says at first, and what pushes into it.
    pub fn stream(&mut self, user: &UserId, query: EventsQuery) -> (ModelSocket, Vec<ServerFrame>) {
        let mut socket = ModelSocket { stream: true, ..ModelSocket::default() };
        let EventsQuery { cursor, app_state, heartbeat_ms, device, watch } = query;
        let hello = Hello {
            cursor,
            app_state,
            heartbeat_ms,
            device,
            watch,
            feed: true,
            live: Vec::new(),
            token: None,
        };
        let frames = self.frame(user, &mut socket, ClientFrame::Hello(hello));
        (socket, frames)
    }

    /// Takes a frame of a socket and gives the direct answers to it.
    pub fn frame(
        &mut self,
        user: &UserId,
        socket: &mut ModelSocket,
        frame: ClientFrame,
    ) -> Vec<ServerFrame> {
        if self.records {
            self.heard.push(frame.clone());
        }
        let tell = |error, room| vec![ServerFrame::Error { error, room }];
        match frame {
            ClientFrame::Hello(hello) => {
                socket.greeted = true;
                socket.heartbeat_ms = hello.heartbeat_ms;
                socket.watches = !hello.watch.is_empty();
                socket.feed = None;
                let mut frames = vec![ServerFrame::Welcome(Welcome {
                    user: user.clone(),
                    epoch: self.epoch.clone(),
                    online: self.online,
                    policy: self.policy,
                    ephemeral_members: self.ephemeral_members,
                    max_upload_bytes: self.max_upload_bytes,
                    idempotency_window_ms: limits::IDEMPOTENCY_WINDOW_MS,
                    now: self.clock,
                })];
                if hello.feed {
                    let cursor = hello.cursor.unwrap_or_else(|| Cursor::new(""));
                    match self.decode(&cursor) {
                        Ok(_) => {
                            socket.feed = Some(Feed {
                                position: cursor.clone(),
                                cursor,
                                fresh: true,
                                unconfirmed: VecDeque::new(),
                            });
                        }
                        Err(error) => frames.extend(tell(error, None)),
                    }
                }
                let wanted: Vec<RoomId> = hello.live.iter().map(|live| live.room).collect();
                socket.live.retain(|room, _| wanted.contains(room));
                for from in hello.live {
                    frames.extend(self.subscribe(socket, from));
                }
                frames
            }
            ClientFrame::Subscribe(from) => self.subscribe(socket, from),
            ClientFrame::Unsubscribe { room } => {
                socket.live.remove(&room);
                Vec::new()
            }
            ClientFrame::Send(ops) => vec![ServerFrame::Sent(self.apply(user, ops))],
            ClientFrame::Sync { request, sync } => {
                let (response, error) = match self.sync(user, sync) {
                    Ok(response) => (Some(response), None),
                    Err(error) => (None, Some(error)),
                };
                vec![ServerFrame::Synced(Box::new(Synced { request, response, error }))]
            }
            ClientFrame::Receipts { receipts } => match self.put_receipts(user, receipts) {
                Ok(()) => Vec::new(),
                Err(error) => tell(error, None),
            },
            ClientFrame::Watch { rooms } => {
                socket.watches = !rooms.is_empty();
                Vec::new()
            }
            ClientFrame::Ping => vec![ServerFrame::Pong],
            ClientFrame::Credit { cursor } => {
                if self.records {
                    self.credited.push(cursor.clone());
                }
                match (self.decode(&cursor), &mut socket.feed) {
                    (Ok(ord), Some(feed)) => {
                        while feed.unconfirmed.front().is_some_and(|(to, _)| *to <= ord) {
                            feed.unconfirmed.pop_front();
                        }
                        Vec::new()
                    }
                    (Ok(_), None) => Vec::new(),
                    (Err(error), _) => tell(error, None),
                }
            }
            _ => Vec::new(),
        }
    }

    fn subscribe(&mut self, socket: &mut ModelSocket, from: LiveFrom) -> Vec<ServerFrame> {
        if !socket.live.contains_key(&from.room) && socket.live.len() >= limits::LIVE_ROOMS {
            let error = WireError::new(ErrorCode::InvalidContent, "too many rooms are live");
            return vec![ServerFrame::Error { error, room: Some(from.room) }];
        }
        socket.live.insert(from.room, (from.after, false));
        Vec::new()
    }

    /// What the server pushes to a socket by itself.
    pub fn push(&mut self, user: &UserId, socket: &mut ModelSocket) -> Vec<ServerFrame> {
        let mut frames = Vec::new();
        if let Some(mut feed) = socket.feed.take()
            && self.push_feed(user, &mut feed, socket.stream, &mut frames)
        {
            socket.feed = Some(feed);
        }
        let rooms: Vec<RoomId> = socket.live.keys().copied().collect();
        for id in rooms {
            self.push_live(user, socket, id, &mut frames);
        }
        // Behind everything else.
        if socket.watches
            && let Some(news) = self.ephemeral.take()
        {
            frames.push(ServerFrame::Ephemeral(Ephemeral { to: None, ..news }));
        }
        frames
    }

    /// Gives whether the feed goes on.
    fn push_feed(
        &mut self,
        user: &UserId,
        feed: &mut Feed,
        stream: bool,
        frames: &mut Vec<ServerFrame>,
    ) -> bool {
        loop {
            let pushed: usize = feed.unconfirmed.iter().map(|(_, weight)| weight).sum();
            let credit = limits::CREDIT_EVENTS.saturating_sub(pushed);
            if credit == 0 {
                return true;
            }
            let limit = (credit.min(limits::PAGE_EVENTS), limits::PAGE_EVENTS);
            match self.page(user, &feed.position, limit, &BTreeMap::new()) {
                Ok(mut page) => {
                    let weight = page.events.len()
                        + page.limited.len()
                        + page.receipts.len()
                        + page.settings.len()
                        + usize::from(page.blocks.is_some());
                    feed.position = page.to.clone();
                    let more = page.more;
                    if weight > 0 || feed.fresh {
                        page.from = std::mem::replace(&mut feed.cursor, page.to.clone());
                        feed.fresh = false;
                        if weight > 0 && !stream {
                            let to = self.ord(&page.to);
                            feed.unconfirmed.push_back((to, weight));
                        }
                        frames.push(ServerFrame::Batch(page));
                    }
                    if !more {
                        return true;
                    }
                }
                Err(error) => {
                    frames.push(ServerFrame::Error { error, room: None });
                    return false;
                }
            }
        }
    }

    fn push_live(
        &mut self,
        user: &UserId,
        socket: &mut ModelSocket,
        id: RoomId,
        frames: &mut Vec<ServerFrame>,
    ) {
        let Some((after, admitted)) = socket.live.get_mut(&id) else { return };
        let found = self.seen_by(user, id).ok();
        let Some((room, member)) = found.filter(|(_, m)| m.left.is_none() || *admitted) else {
            socket.live.remove(&id);
            frames.push(ServerFrame::Error { error: not_a_member(), room: Some(id) });
            return;
        };
        *admitted = true;
        let left = member.left.is_some();
        let seen = room.last_seen_by(member);
        // A lagging instance hears of events when it has read them from the log.
        let applied = self.applied.unwrap_or(u64::MAX);
        let known = room.ords.partition_point(|ord| *ord <= applied).min(seen.get() as usize);
        let prev = *after;
        let events = room.log.get(prev.get() as usize..known).unwrap_or_default();
        if events.len() > limits::PAGE_EVENTS {
            *after = seen;
            if let Ok(state) = self.state_for(user, id) {
                frames.push(ServerFrame::Limited { room: state });
            }
        } else if let Some(last) = events.last() {
            *after = last.seq;
            frames.push(ServerFrame::Live(Live { room: id, prev, events: events.to_vec() }));
        }
        if left && *after >= seen {
            socket.live.remove(&id);
        }
    }
}
