//! The event stream: carries the pushed feed where sockets fail and HTTP works. It only speaks:
//! what the client has to say goes by requests, and the rooms that it watches when it opens another
//! one. Sockets are tried beside it, and the first one that greets takes its place.

use tidewire_protocol::{
    AppState, Cursor, ErrorCode, EventsQuery, Mode, RoomId, ServerFrame, WireError,
};

use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::effect::{Effect, SocketEvent, SocketId};
use crate::engine::time::Timer;

/// The stream's state.
#[derive(Debug, Default)]
pub(crate) enum Stream {
    #[default]
    Closed,
    /// Asked for; `welcome` is awaited.
    Opening(Opened),
    Open(Opened),
}

/// A stream that was asked for.
#[derive(Debug)]
pub(crate) struct Opened {
    socket: SocketId,
    /// Where it was asked to begin.
    from: Cursor,
    welcomed_at: u64,
    /// That of the token that it was opened with.
    token_generation: u64,
    app_state: AppState,
    watch: Vec<RoomId>,
    /// Pages taken.
    pages: u64,
}

impl Stream {
    fn opened(&mut self) -> Option<&mut Opened> {
        match self {
            Stream::Closed => None,
            Stream::Opening(opened) | Stream::Open(opened) => Some(opened),
        }
    }

    pub(crate) fn is(&self, id: SocketId) -> bool {
        matches!(self, Stream::Opening(opened) | Stream::Open(opened) if opened.socket == id)
    }

    /// Whether the feed is pushed by it, so that nobody polls it.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Stream::Open(_))
    }

    /// The rooms that its server knows to be watched.
    pub(crate) fn watched(&self) -> &[RoomId] {
        match self {
            Stream::Closed => &[],
            Stream::Opening(opened) | Stream::Open(opened) => &opened.watch,
        }
    }
}

impl Engine {
    /// Something happened to the stream.
    pub(crate) fn stream_event(&mut self, event: SocketEvent) {
        match event {
            // The first frame tells more: a proxy may answer and keep the rest back.
            SocketEvent::Opened => {}
            SocketEvent::Closed { reason } => self.stream_failed(&reason),
        }
    }

    /// A frame came in on the stream.
    pub(crate) fn stream_frame(&mut self, frame: ServerFrame) {
        if self.stream.is_open() {
            self.expect_sign_of_life();
        }
        match frame {
            ServerFrame::Welcome(welcome) => {
                if !self.greeted(&welcome) {
                    return;
                }
                self.way_works();
                self.signals.streams_work = true;
                self.stream_failures = 0;
                self.stream = match std::mem::take(&mut self.stream) {
                    Stream::Opening(mut opened) => {
                        opened.welcomed_at = self.now.mono_ms;
                        Stream::Open(opened)
                    }
                    other => other,
                };
                self.expect_sign_of_life();
                self.timers.disarm(Timer::Poll);
            }
            ServerFrame::Batch(page) => {
                let from = page.from.clone();
                let taken = self.stream.is_open() && self.accept_page(page, &[], false);
                let Some(opened) = self.stream.opened() else { return };
                if taken {
                    opened.pages += 1;
                } else if opened.pages == 0 && opened.from == from {
                    // A poll was faster while it opened: the next one begins where that ended.
                    self.close_stream("a poll was faster");
                } else {
                    self.stream_failed("a page does not go on from the cursor");
                }
            }
            ServerFrame::Ephemeral(news) if self.stream.is_open() => self.take_ephemeral(news),
            ServerFrame::Policy { online, policy } => self.told_crowd(online, policy),
            ServerFrame::Error { error, .. } => self.stream_refused(&error),
            ServerFrame::Goaway { retry_after_ms, .. } => {
                self.close_stream("the server asked to come back later");
                self.put_off_links(crate::engine::backoff::slot(retry_after_ms));
            }
            // A sign of life, or of no meaning here.
            _ => {}
        }
    }

    /// The server does not begin the stream, or ends it.
    fn stream_refused(&mut self, error: &WireError) {
        let generation = self.stream.opened().map_or(0, |opened| opened.token_generation);
        if self.refused_token(error, generation) {
            self.close_stream("the token was refused");
            return;
        }
        match error.code {
            ErrorCode::CursorExpired | ErrorCode::CursorInvalid => {
                self.close_stream("the cursor was refused");
                self.forget_cursor();
            }
            ErrorCode::RateLimited | ErrorCode::Unavailable => {
                self.close_stream("the server is busy");
                let wait = self.stream_backoff.fail(error.retry_after_ms, &mut self.rng);
                if error.retry_after_ms.is_some() {
                    self.put_off_links(wait);
                } else {
                    self.timers.arm(Timer::StreamRetry, self.now.mono_ms + wait);
                }
            }
            _ => self.stream_failed(&error.to_string()),
        }
    }

    /// The server gave a slot: until then neither a stream nor a socket is tried.
    fn put_off_links(&mut self, wait: u64) {
        self.link_slot_until = self.now.mono_ms + wait;
        self.timers.arm(Timer::StreamRetry, self.link_slot_until);
        if self.timers.get(Timer::SocketRetry).is_none_or(|at| at < self.link_slot_until) {
            self.timers.arm(Timer::SocketRetry, self.link_slot_until);
        }
    }

    /// The stream was lost, or did not open.
    fn stream_failed(&mut self, reason: &str) {
        let lived = match &self.stream {
            Stream::Open(opened) => Some(self.now.mono_ms.saturating_sub(opened.welcomed_at)),
            _ => None,
        };
        if lived.is_some_and(|lived| lived >= millis(defaults::STABLE_AFTER)) {
            self.stream_backoff.reset();
        }
        if lived.is_some() {
            self.way_broke();
        }
        self.close_stream(reason);
        // The first try after a working stream comes at once, as with sockets.
        let slot = (lived.is_some() && self.stream_backoff.failures() == 0).then_some(0);
        let mut wait = self.stream_backoff.fail(slot, &mut self.rng);
        // While the server is not reached at all, that says nothing about streams.
        if lived.is_none() && self.http_backoff.failures() == 0 {
            self.stream_failures += 1;
        }
        if self.stream_failures >= defaults::STREAM_FAILURES {
            self.signals.streams_work = false;
            let probes = self.stream_failures - defaults::STREAM_FAILURES;
            wait = wait.max(self.probe_wait(probes));
        }
        self.timers.arm(Timer::StreamRetry, self.now.mono_ms + wait);
    }

    /// Nothing has come for too long.
    pub(crate) fn stream_silent(&mut self) {
        if self.wants_frames() {
            self.stream_failed("nothing comes");
        } else {
            // What has come may wait for the disk.
            self.expect_sign_of_life();
        }
    }

    fn expect_sign_of_life(&mut self) {
        let silence = 5 * self.heartbeat_ms() / 2;
        self.timers.arm(Timer::StreamAnswer, self.now.mono_ms + silence);
    }

    /// Closes the stream, if there is one.
    pub(crate) fn close_stream(&mut self, reason: &str) {
        if self.stream.opened().is_some() {
            self.watching.again = true;
            self.leave_stream(reason);
        }
    }

    fn leave_stream(&mut self, reason: &str) {
        let Some(socket) = self.stream.opened().map(|opened| opened.socket) else { return };
        tracing::debug!(reason, "event stream closed");
        self.stream = Stream::Closed;
        self.timers.disarm(Timer::StreamAnswer);
        self.effect(Effect::CloseStream(socket));
        self.typing_lost();
        // Whatever was on its way is in the log: read it.
        self.poll_due = true;
    }

    /// Opens or closes it, as the mode and the sockets ask.
    pub(crate) fn advance_stream(&mut self) {
        let wanted = self.signals.sockets_fail && self.signals.wish() == Mode::RealTime;
        let Some(cursor) = self.cursor.clone().filter(|_| wanted && !self.auth.has_failed()) else {
            self.timers.disarm(Timer::StreamRetry);
            self.close_stream("none is needed");
            return;
        };
        let generation = self.auth.generation();
        if self.auth.is_ready()
            && self.stream.opened().is_some_and(|opened| opened.token_generation != generation)
        {
            // It ends with its token, and cannot be told another one.
            self.close_stream("there is another token");
        }
        if self.stream_is_outdated() {
            self.leave_stream("something else is to be told");
        }
        let waits = self.timers.get(Timer::StreamRetry).is_some();
        // A page of a poll on its way would make the first page of the stream too late.
        let free = matches!(self.stream, Stream::Closed) && self.sync.is_none();
        if waits || !free || !self.auth.is_ready() {
            return;
        }
        if self.now.mono_ms < self.link_slot_until {
            self.timers.arm(Timer::StreamRetry, self.link_slot_until);
            return;
        }
        if self.calms_down(self.stream_opened_at) {
            return;
        }
        let socket = SocketId(self.id());
        self.stream_opened_at = Some(self.now.mono_ms);
        self.stats.streams += 1;
        self.reach_out();
        self.stream = Stream::Opening(Opened {
            socket,
            from: cursor.clone(),
            welcomed_at: 0,
            token_generation: generation,
            app_state: self.signals.app_state,
            watch: self.watching.rooms().to_vec(),
            pages: 0,
        });
        let query = EventsQuery {
            cursor: Some(cursor),
            app_state: self.signals.app_state,
            heartbeat_ms: self.heartbeat_ms(),
            device: self.device,
            watch: self.watching.rooms().to_vec(),
        };
        self.effect(Effect::OpenStream(socket, query));
        self.forget_strangers();
        let answer = self.now.mono_ms + millis(defaults::ANSWER_TIMEOUT);
        self.timers.arm(Timer::StreamAnswer, answer);
    }

    /// Whether another stream is to take the place of this one because other rooms are watched, or
    /// the app stands elsewhere: what a socket is told in a frame. Only where nothing keeps the next
    /// one from opening at once, and never before this one has brought the feed forward.
    fn stream_is_outdated(&mut self) -> bool {
        let Stream::Open(opened) = &self.stream else { return false };
        let same =
            opened.watch == self.watching.rooms() && opened.app_state == self.signals.app_state;
        let may_open = self.auth.is_ready()
            && self.sync.is_none()
            && self.now.mono_ms >= self.link_slot_until
            && self.timers.get(Timer::StreamRetry).is_none();
        !same && may_open && opened.pages > 0 && !self.calms_down(self.stream_opened_at)
    }

    /// Whether the stream is opened again where streams have worked: then reads wait for it.
    pub(crate) fn stream_is_coming(&self) -> bool {
        matches!(self.stream, Stream::Opening(_)) && self.signals.streams_work
    }

    /// Whether the feed is pushed, so that nobody polls it.
    pub(crate) fn feed_is_pushed(&self) -> bool {
        self.link.pushes() || self.stream.is_open()
    }
}
