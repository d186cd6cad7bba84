//! The socket: opened, greeted, kept alive and closed as the mode asks.

use std::collections::{BTreeSet, VecDeque};

use tidewire_protocol::{
    AppState, ClientFrame, ErrorCode, Hello, LiveFrom, Mode, RoomId, ServerFrame, Welcome,
    WireError,
};

use crate::config::millis;
use crate::defaults;
use crate::engine::effect::{Effect, Problem, SocketEvent, SocketId};
use crate::engine::outbox::Carrier;
use crate::engine::time::{Now, Timer};
use crate::engine::{Engine, Notice};

/// The socket's state.
#[derive(Debug, Default)]
pub(crate) enum Link {
    #[default]
    Closed,
    /// Asked for, not open yet.
    Opening(SocketId),
    /// Open, `hello` sent, `welcome` awaited.
    Greeting(Ready),
    Ready(Ready),
}

/// A socket that has said `hello`.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) socket: SocketId,
    opened_at: u64,
    last_sent: u64,
    /// What the last `hello` asked for.
    feed: bool,
    app_state: AppState,
    live: BTreeSet<RoomId>,
    watch: Vec<RoomId>,
    /// `hello`s not yet answered: until then, pages of an older `hello` may come in.
    hellos: u32,
    /// That of the token that the server knows this socket by.
    token_generation: u64,
    /// When the last `hello` went out.
    greeted_at: u64,
    /// When the pings not yet answered went out.
    pings: VecDeque<u64>,
    /// Pushed events, limited rooms and receipts that were committed and not yet credited.
    pub(crate) uncredited: usize,
}

impl Link {
    fn socket(&self) -> Option<SocketId> {
        match self {
            Link::Closed => None,
            Link::Opening(socket) => Some(*socket),
            Link::Greeting(ready) | Link::Ready(ready) => Some(ready.socket),
        }
    }

    fn greeted(&mut self) -> Option<&mut Ready> {
        match self {
            Link::Greeting(ready) | Link::Ready(ready) => Some(ready),
            Link::Closed | Link::Opening(_) => None,
        }
    }

    /// That of the token that the server knows this socket by.
    pub(crate) fn token_generation(&self) -> u64 {
        match self {
            Link::Greeting(ready) | Link::Ready(ready) => ready.token_generation,
            Link::Closed | Link::Opening(_) => 0,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Link::Ready(_))
    }

    /// Whether this room's news are pushed as they happen.
    pub(crate) fn is_live(&self, room: &RoomId) -> bool {
        matches!(self, Link::Ready(ready) if ready.live.contains(room))
    }

    /// The rooms that the socket's server knows to be watched.
    pub(crate) fn watched(&self) -> &[RoomId] {
        match self {
            Link::Greeting(ready) | Link::Ready(ready) => &ready.watch,
            Link::Closed | Link::Opening(_) => &[],
        }
    }

    pub(crate) fn watches(&mut self, rooms: Vec<RoomId>) {
        if let Some(ready) = self.greeted() {
            ready.watch = rooms;
        }
    }

    /// Whether the feed is pushed, so that nobody polls it.
    pub(crate) fn pushes(&self) -> bool {
        matches!(self, Link::Greeting(ready) | Link::Ready(ready) if ready.feed)
    }
}

impl Engine {
    /// Something happened to a socket or an event stream.
    pub fn handle_socket(&mut self, now: Now, socket: SocketId, event: SocketEvent) {
        self.now = now;
        if self.link.socket() == Some(socket) {
            match event {
                SocketEvent::Opened => self.greet(socket),
                SocketEvent::Closed { reason } => self.link_failed(&reason),
            }
        } else if self.stream.is(socket) {
            self.stream_event(event);
        }
        self.advance();
    }

    /// A frame came in.
    pub fn handle_frame(&mut self, now: Now, socket: SocketId, frame: ServerFrame) {
        self.now = now;
        self.radio.used(now.mono_ms);
        if self.link.socket() == Some(socket) {
            self.stats.frames_received += 1;
            // Any frame shows that the peer is there: whatever else it owes has its time anew.
            if self.timers.get(Timer::SocketAnswer).is_some() {
                self.timers.disarm(Timer::SocketAnswer);
                self.expect_answer();
            }
            self.frame(frame);
            self.settle_answers();
        } else if self.stream.is(socket) {
            self.stats.frames_received += 1;
            self.stream_frame(frame);
        }
        self.advance();
    }

    fn frame(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Welcome(welcome) => self.welcomed(&welcome),
            ServerFrame::Batch(page) => {
                let reading = self.link.pushes();
                if !reading {
                    self.stats.pages_dropped += 1;
                } else if !self.accept_page(page, &[], true) {
                    self.greet_again_after_mismatch();
                }
            }
            ServerFrame::Live(live) => self.accept_live(live),
            ServerFrame::Limited { room } => self.accept_state(room, Default::default()),
            ServerFrame::Sent(sent) => self.sent(sent, true),
            ServerFrame::Synced(synced) => self.synced(*synced),
            ServerFrame::Ephemeral(news) => self.take_ephemeral(news),
            ServerFrame::Policy { online, policy } => self.told_crowd(online, policy),
            ServerFrame::Ping => self.send_frame(ClientFrame::Pong),
            ServerFrame::Pong => {
                if let Some(asked) = self.link.greeted().and_then(|ready| ready.pings.pop_front()) {
                    self.answered(asked);
                }
            }
            ServerFrame::Error { error, room } => self.link_refused(&error, room),
            ServerFrame::Goaway { retry_after_ms, .. } => {
                self.close_link("the server asked to come back later");
                self.link_slot_until =
                    self.now.mono_ms + crate::engine::backoff::slot(retry_after_ms);
                self.timers.arm(Timer::SocketRetry, self.link_slot_until);
            }
            ServerFrame::Unknown(_) => {}
        }
    }

    /// Takes what the server tells at first, whatever carries it. Gives whether it is for this user.
    pub(crate) fn greeted(&mut self, welcome: &Welcome) -> bool {
        if welcome.user != self.config.user {
            self.wrong_user(welcome.user.clone());
            return false;
        }
        self.auth.accepted();
        self.idempotency_window_ms = welcome.idempotency_window_ms;
        self.hear_time(welcome.now);
        self.told_crowd(welcome.online, welcome.policy);
        self.told_ephemeral_members(welcome.ephemeral_members);
        self.max_upload_bytes = welcome.max_upload_bytes;
        true
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        if !self.greeted(welcome) {
            return;
        }
        self.sockets_may_work();
        self.sends_may_go_on();
        if let Some(ready) = self.link.greeted().filter(|ready| ready.hellos > 0) {
            ready.hellos -= 1;
            if ready.hellos == 0 {
                let asked = ready.greeted_at;
                self.answered(asked);
            }
        }
        self.link = match std::mem::take(&mut self.link) {
            Link::Greeting(ready) => Link::Ready(ready),
            other => other,
        };
    }

    pub(crate) fn wrong_user(&mut self, token_user: tidewire_protocol::UserId) {
        self.close_link("the token belongs to another user");
        self.auth_failed(format!("the token belongs to {token_user}"));
        self.notify(Notice::Problem(Problem::WrongUser { token_user }));
    }

    fn link_refused(&mut self, error: &WireError, room: Option<RoomId>) {
        let generation = self.link.greeted().map_or(0, |ready| ready.token_generation);
        if self.refused_token(error, generation) {
            self.close_link("the token was refused");
            return;
        }
        match error.code {
            ErrorCode::CursorExpired | ErrorCode::CursorInvalid => {
                self.close_link("the cursor was refused");
                self.forget_cursor();
            }
            ErrorCode::NotAMember => {
                if let (Some(room), Some(ready)) = (room, self.link.greeted()) {
                    // Not to be asked for again on this socket: it stays in `live`, unserved.
                    ready.live.insert(room);
                }
            }
            ErrorCode::RateLimited | ErrorCode::Unavailable => {
                self.close_link("the server is busy");
                let wait = self.link_backoff.fail(error.retry_after_ms, &mut self.rng);
                if error.retry_after_ms.is_some() {
                    self.link_slot_until = self.now.mono_ms + wait;
                }
                self.timers.arm(Timer::SocketRetry, self.now.mono_ms + wait);
            }
            _ => tracing::warn!(code = %error.code, "the server reported an error"),
        }
    }

    /// The socket was lost, or could not be opened.
    pub(crate) fn link_failed(&mut self, reason: &str) {
        let lived = match &self.link {
            Link::Ready(ready) => self.now.mono_ms.saturating_sub(ready.opened_at),
            _ => 0,
        };
        if lived >= millis(defaults::STABLE_AFTER) {
            self.link_backoff.reset();
        }
        // While the server is not reached at all, that says nothing about sockets.
        let reached = self.http_backoff.failures() == 0;
        if self.link.is_ready() {
            self.way_broke();
        } else if reached {
            self.sockets_failed += 1;
        }
        self.close_link(reason);
        // The first try after a working socket comes at once: most losses are a change of network.
        let wait = if lived > 0 && self.link_backoff.failures() == 0 {
            self.link_backoff.fail(Some(0), &mut self.rng)
        } else {
            self.link_backoff.fail(None, &mut self.rng)
        };
        if reached && self.sockets_failed >= defaults::SOCKET_FAILURES {
            self.signals.sockets_fail = true;
        }
        let wait = if self.signals.sockets_fail {
            let probes = self.probes;
            self.probes += 1;
            wait.max(self.probe_wait(probes))
        } else {
            wait
        };
        self.timers.arm(Timer::SocketRetry, self.now.mono_ms + wait);
    }

    /// Until the next try where sockets or streams fail, after so many in vain.
    pub(crate) fn probe_wait(&mut self, probes: u32) -> u64 {
        let first = millis(defaults::PROBE_FIRST);
        let most = millis(defaults::PROBE_MOST).min(first.saturating_mul(1 << probes.min(16)));
        self.rng.u64(most / 2..=most)
    }

    /// A socket works, or this is another network.
    pub(crate) fn sockets_may_work(&mut self) {
        self.signals.sockets_fail = false;
        self.sockets_failed = 0;
        self.signals.streams_work = false;
        self.probes = 0;
        self.stream_failures = 0;
    }

    /// Sockets and streams are tried at once. Where streams have worked, they go on until a socket
    /// shows that it does; where they have not, a socket is as good as any other way.
    pub(crate) fn retry_links(&mut self) {
        if self.signals.streams_work {
            self.probes = 0;
        } else {
            self.sockets_may_work();
        }
        self.link_backoff.reset();
        self.stream_backoff.reset();
        if self.now.mono_ms >= self.link_slot_until {
            self.timers.disarm(Timer::SocketRetry);
            self.timers.disarm(Timer::StreamRetry);
        }
    }

    /// Closes the socket, if there is one. What it carried goes out again.
    pub(crate) fn close_link(&mut self, reason: &str) {
        let Some(socket) = self.link.socket() else { return };
        tracing::debug!(reason, "socket closed");
        self.link = Link::Closed;
        self.watching.again = true;
        self.outbox.lost(Carrier::Socket(socket));
        self.forget_told();
        self.sync_lost_with_socket();
        self.timers.disarm(Timer::SocketAnswer);
        self.timers.disarm(Timer::Heartbeat);
        self.effect(Effect::CloseSocket(socket));
        // Whatever was on its way is in the log: read it.
        self.poll_due = true;
    }

    /// Opens, closes or greets anew, as the mode asks.
    pub(crate) fn advance_link(&mut self) {
        // Where sockets fail, one is tried all the same when its time has come.
        let wish = self.signals.wish();
        let wanted = wish >= Mode::Hybrid && self.auth.is_ready() && self.cursor.is_some();
        if !wanted {
            // A socket is left open while a token is being replaced.
            if wish < Mode::Hybrid || self.auth.has_failed() || self.cursor.is_none() {
                self.timers.disarm(Timer::SocketRetry);
                self.close_link("the mode needs none");
            }
            return;
        }
        let feed = self.socket_feeds();
        let app_state = self.signals.app_state;
        match &self.link {
            Link::Closed => self.open_link(),
            Link::Ready(ready) if ready.feed != feed || ready.app_state != app_state => {
                let greeted_at = ready.greeted_at;
                if !self.calms_down(Some(greeted_at)) {
                    self.say_hello();
                }
            }
            Link::Ready(_) => {
                self.update_live();
                self.update_watch();
            }
            _ => {}
        }
    }

    /// Opens a socket, if nothing asks to wait.
    fn open_link(&mut self) {
        if self.timers.get(Timer::SocketRetry).is_some() {
            return;
        }
        if self.now.mono_ms < self.link_slot_until {
            // Whatever ended the wait meanwhile: the server's slot stands.
            self.timers.arm(Timer::SocketRetry, self.link_slot_until);
            return;
        }
        if self.calms_down(self.link_opened_at) {
            return;
        }
        let socket = SocketId(self.id());
        self.link_opened_at = Some(self.now.mono_ms);
        self.stats.sockets += 1;
        self.reach_out();
        self.link = Link::Opening(socket);
        self.effect(Effect::OpenSocket(socket));
    }

    /// Whether a socket is being opened and nothing speaks against it: then reads and sends wait
    /// for it rather than pay for a request of their own.
    pub(crate) fn link_is_coming(&self) -> bool {
        matches!(self.link, Link::Opening(_) | Link::Greeting(_))
            && self.link_backoff.failures() == 0
            && !self.signals.sockets_fail
    }

    /// Whether a socket is to push the feed. One that is tried where sockets fail has to show first
    /// that it works.
    fn socket_feeds(&self) -> bool {
        self.signals.report().mode == Mode::RealTime && !self.signals.sockets_fail
    }

    fn greet(&mut self, socket: SocketId) {
        let now = self.now.mono_ms;
        self.link = Link::Greeting(Ready {
            socket,
            opened_at: now,
            last_sent: now,
            feed: false,
            app_state: self.signals.app_state,
            live: BTreeSet::new(),
            watch: Vec::new(),
            hellos: 0,
            token_generation: self.auth.generation(),
            greeted_at: now,
            pings: VecDeque::new(),
            uncredited: 0,
        });
        self.say_hello();
        let first = self.rng.u64(0..=self.heartbeat_ms());
        self.timers.arm(Timer::Heartbeat, now + first);
    }

    /// Says what is wanted: whether the feed is pushed, from where, and which rooms are live.
    fn say_hello(&mut self) {
        let feed = self.socket_feeds();
        let live = self.live_wanted();
        let hello = Hello {
            token: None,
            cursor: self.cursor.clone(),
            feed,
            live: live.iter().map(|room| self.live_from(*room)).collect(),
            watch: self.watching.rooms().to_vec(),
            device: self.device,
            app_state: self.signals.app_state,
            heartbeat_ms: self.heartbeat_ms(),
        };
        let (now, app_state) = (self.now.mono_ms, self.signals.app_state);
        if let Some(ready) = self.link.greeted() {
            ready.feed = feed;
            ready.app_state = app_state;
            ready.live = live;
            ready.watch = self.watching.rooms().to_vec();
            ready.hellos += 1;
            ready.greeted_at = now;
            ready.uncredited = 0;
        }
        if feed {
            // One feed reader at a time: from here on it is the socket.
            self.timers.disarm(Timer::Poll);
        } else {
            self.poll_due = true;
        }
        self.send_frame(ClientFrame::Hello(hello));
        self.expect_answer();
        self.forget_strangers();
    }

    /// A pushed page did not go on from the cursor. Unless it belongs to an older `hello`, the
    /// server is told where to go on.
    fn greet_again_after_mismatch(&mut self) {
        if matches!(&self.link, Link::Ready(ready) if ready.hellos == 0) {
            self.say_hello();
        }
    }

    pub(crate) fn refresh_socket_token(&mut self) {
        if self.link.is_ready() {
            // The driver fills in the new token.
            self.send_frame(ClientFrame::Token { token: String::new() });
            let generation = self.auth.generation();
            if let Some(ready) = self.link.greeted() {
                ready.token_generation = generation;
            }
        }
    }

    /// The rooms to be live: in hybrid the nearest to the eye, the one farthest from it out first. In
    /// real-time the feed brings everything.
    fn live_wanted(&mut self) -> BTreeSet<RoomId> {
        if self.signals.report().mode != Mode::Hybrid {
            return BTreeSet::new();
        }
        let most = self.config.max_concurrent_rooms;
        self.nearest_rooms().iter().take(most).copied().collect()
    }

    fn live_from(&self, room: RoomId) -> LiveFrom {
        let after = self.rooms.get(&room).map(crate::engine::rooms::room::Room::live_after);
        LiveFrom { room, after: after.unwrap_or_default() }
    }

    fn update_live(&mut self) {
        let wanted = self.live_wanted();
        let Some(ready) = self.link.greeted() else { return };
        if ready.live == wanted {
            return;
        }
        let before = std::mem::replace(&mut ready.live, wanted.clone());
        for room in before.difference(&wanted) {
            self.send_frame(ClientFrame::Unsubscribe { room: *room });
        }
        for room in wanted.difference(&before) {
            let from = self.live_from(*room);
            self.send_frame(ClientFrame::Subscribe(from));
        }
    }

    pub(crate) fn send_frame(&mut self, frame: ClientFrame) {
        let now = self.now.mono_ms;
        let Some(ready) = self.link.greeted() else { return };
        ready.last_sent = now;
        let socket = ready.socket;
        self.stats.frames_sent += 1;
        self.reach_out();
        self.effect(Effect::SendFrame(socket, frame));
    }

    /// The peer owes an answer from now on, if it does not owe an older one: what is sent to a
    /// dead peer must not put off the moment when that is noticed.
    pub(crate) fn expect_answer(&mut self) {
        let at = self.now.mono_ms + millis(defaults::ANSWER_TIMEOUT);
        self.timers.arm_no_later(Timer::SocketAnswer, at);
    }

    fn settle_answers(&mut self) {
        let owed = match &self.link {
            Link::Greeting(ready) | Link::Ready(ready) => {
                ready.hellos > 0 || !ready.pings.is_empty()
            }
            _ => false,
        };
        if !owed && !self.outbox.awaits_socket() && !self.sync_over_socket() {
            self.timers.disarm(Timer::SocketAnswer);
        }
    }

    /// A live socket is a heartbeat in itself: only a silent one needs a ping.
    pub(crate) fn heartbeat(&mut self) {
        let interval = self.heartbeat_ms();
        let now = self.now.mono_ms;
        let Some(ready) = self.link.greeted() else { return };
        let silent_since = ready.last_sent;
        if now.saturating_sub(silent_since) >= interval / 2 {
            ready.pings.push_back(now);
            self.send_frame(ClientFrame::Ping);
            self.expect_answer();
            self.timers.arm(Timer::Heartbeat, now + interval);
        } else {
            self.timers.arm(Timer::Heartbeat, silent_since + interval);
        }
    }

    pub(crate) fn heartbeat_ms(&self) -> u64 {
        millis(match self.signals.app_state {
            AppState::Foreground => self.config.presence_heartbeat_interval,
            AppState::Background | AppState::Suspended => self.config.background_heartbeat_interval,
        })
    }
}
