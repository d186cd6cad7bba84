//! Reading the feed by request: polls and bootstraps. Only one reader reads at a time: while the
//! socket pushes, nothing is polled, and a page of a late poll is dropped.

use std::collections::BTreeSet;

use tidewire_protocol::{
    AppState, Bootstrap, ClientFrame, Cursor, ErrorCode, Mode, RoomId, RoomOps, RoomPage,
    RoomState, Seq, SyncRequest, SyncResponse, Synced, WireError, limits,
};

use crate::config::millis;
use crate::engine::effect::{Effect, Request, RequestError, RequestId, Response};
use crate::engine::mode::ceilings::NetworkKind;
use crate::engine::outbox::Carrier;
use crate::engine::time::{Now, Timer};
use crate::engine::{Asked, Engine, Phase, Purpose};

/// A `sync` on its way.
#[derive(Debug)]
pub(crate) struct Sync {
    id: RequestId,
    over_socket: bool,
    at_ms: u64,
    have: Vec<(RoomId, Seq)>,
    /// The rooms that it watches.
    watched: Option<Vec<RoomId>>,
}

/// A bootstrap on its way.
#[derive(Debug)]
pub(crate) struct Boot {
    request: RequestId,
    /// Known from the first page on.
    cursor: Option<Cursor>,
    /// Rooms that were known when it began and that it has not named.
    unseen: BTreeSet<RoomId>,
}

impl Boot {
    fn saw(&mut self, rooms: &[RoomState]) {
        for room in rooms {
            self.unseen.remove(&room.id);
        }
    }
}

/// Most rooms whose operations one `sync` carries; the server takes no more.
const SYNC_ROOMS: usize = 50;

/// Most bytes of operations that one `sync` carries: its body may have 256 KiB.
const SYNC_OPS_BYTES: usize = limits::BODY_BYTES / 2;

impl Engine {
    /// The answer to an HTTP request, or why there is none.
    pub fn handle_response(
        &mut self,
        now: Now,
        id: RequestId,
        answer: Result<Response, RequestError>,
    ) {
        self.now = now;
        if answer.is_ok() {
            self.radio.used(now.mono_ms);
            self.auth.accepted();
        }
        self.judge_answer(id, &answer);
        self.answering = id.0;
        let generation = self.requests.get(&id).map_or(0, |asked| asked.generation);
        if let Err(RequestError::Refused(error)) = &answer
            && self.refused_token(error, generation)
        {
            self.retry_with_token(id, &error.to_string());
        }
        match self.requests.remove(&id).map(|asked| asked.purpose) {
            Some(Purpose::Sync) => self.sync_answered(id, answer),
            Some(Purpose::Boot) => self.boot_answered(id, answer),
            Some(Purpose::RoomState(room)) => self.state_answered(room, answer),
            Some(Purpose::Ops(room)) => self.ops_answered(room, id, answer),
            Some(Purpose::History(fetch)) => self.history_answered(fetch, answer),
            Some(Purpose::Profiles) => self.profiles_answered(answer),
            Some(Purpose::File) => self.file_told(id, answer),
            Some(Purpose::Blocks(told)) => self.blocks_answered(told, answer),
            Some(Purpose::Settings(room, told)) => self.settings_answered(room, told, answer),
            Some(Purpose::Upload(upload)) => self.upload_answered(upload, id, answer),
            Some(Purpose::Told) => {}
            Some(Purpose::Call { command, request, life, .. }) => {
                self.call_answered(command, *request, answer, life);
            }
            None => {}
        }
        self.answering = u64::MAX;
        self.advance();
    }

    /// What an answer says of the way to the server.
    fn judge_answer(&mut self, id: RequestId, answer: &Result<Response, RequestError>) {
        let Some(asked) = self.requests.get(&id) else { return };
        match answer {
            // What takes its time at the server says little of the way: pages of history, the calls
            // of the app, a bootstrap.
            Ok(Response::Sync(_) | Response::Ops(_)) => self.answered(asked.at_ms),
            // One of the network that is gone says nothing of this one.
            Err(_) if self.moved_at.is_some_and(|moved| asked.at_ms <= moved) => {}
            Err(RequestError::Network(_)) => self.way_broke(),
            Err(RequestError::Refused(error))
                if error.temporary && error.retry_after_ms.is_none() =>
            {
                self.way_broke();
            }
            Ok(_) | Err(RequestError::Refused(_)) => {}
        }
    }

    /// Starts a poll or a bootstrap, if one is due.
    pub(crate) fn advance_reader(&mut self) {
        if !self.online() || !self.auth.is_ready() {
            self.timers.disarm(Timer::Poll);
            return;
        }
        if self.boot.is_some() || self.sync.is_some() {
            return;
        }
        if self.cursor.is_none() {
            if self.http_is_open() && self.may_read() {
                self.boot = Some(Boot {
                    request: self.request(Request::Bootstrap, Purpose::Boot),
                    cursor: None,
                    unseen: self.joined_rooms(),
                });
                self.stats.bootstraps += 1;
            } else if self.http_is_open() {
                self.wait_for_budget();
            }
            return;
        }
        // The next read waits until the last page is on disk.
        if self.feed_is_pushed() || self.page_in_flight() || self.link_is_coming() {
            return;
        }
        if self.stream_is_coming() {
            return;
        }
        if self.poll_due {
            if self.http_is_open() && self.may_read() {
                self.poll();
            } else if self.http_is_open() {
                self.wait_for_budget();
            }
        } else if self.timers.get(Timer::Poll).is_none()
            && let Some(budget) = self.budget_wait()
        {
            let wait = self.poll_wait().max(budget);
            self.timers.arm(Timer::Poll, self.now.mono_ms + wait);
        }
    }

    /// A read is due, and nothing is left for it.
    fn wait_for_budget(&mut self) {
        match self.budget_wait() {
            Some(wait) if self.timers.get(Timer::Poll).is_none() => {
                self.timers.arm(Timer::Poll, self.now.mono_ms + wait.max(1));
            }
            Some(_) => {}
            None => self.timers.disarm(Timer::Poll),
        }
    }

    /// How often the feed is polled, as long as no budget stretches it.
    pub(crate) fn poll_interval_ms(&self) -> u64 {
        millis(if self.signals.app_state == AppState::Background {
            self.config.background_heartbeat_interval
        } else if self.signals.network.kind == NetworkKind::Cellular2G {
            self.config.slow_polling_interval
        } else {
            self.config.polling_interval
        })
    }

    /// Until the next poll. Jittered downward where somebody looks, so that it never comes later than
    /// promised; upward in the background, so that the radio never wakes more often than promised.
    fn poll_wait(&mut self) -> u64 {
        let interval = self.poll_interval_ms();
        let jitter = self.rng.u64(0..=interval / 5);
        if self.signals.app_state == AppState::Background {
            interval + jitter
        } else {
            interval - jitter
        }
    }

    fn poll(&mut self) {
        self.poll_due = false;
        self.timers.disarm(Timer::Poll);
        self.stats.polls += 1;
        self.reading(true);
        self.refreshes_asked();
        let over_socket = self.link.is_ready();
        let id = RequestId(self.id());
        let have: Vec<(RoomId, Seq)> =
            self.rooms.iter().filter_map(|(id, room)| Some((*id, room.have()?))).collect();
        let mut sync = SyncRequest {
            cursor: self.cursor.clone(),
            limit: limits::PAGE_EVENTS,
            wait_ms: 0,
            have: have.iter().copied().collect(),
            app_state: self.signals.app_state,
            heartbeat_ms: self.declared_heartbeat_ms(),
            ops: Vec::new(),
            receipts: self.board_receipts(over_socket),
            device: self.device,
            watch: None,
            typing: Vec::new(),
        };
        // On a socket both have frames of their own.
        let mut watched = None;
        if over_socket {
            self.send_frame(ClientFrame::Sync { request: id.0, sync });
            self.expect_answer();
        } else {
            sync.watch = self.watching.for_poll();
            watched = sync.watch.as_ref().map(|watch| watch.rooms.clone());
            sync.typing = self.board_typing();
            if self.ages_are_known() && self.timers.get(Timer::OpsRetry).is_none() {
                sync.ops = self.board_ops(Carrier::Request(id));
            }
            self.request_as(id, Request::Sync(sync), Purpose::Sync);
        }
        self.sync = Some(Sync { id, over_socket, at_ms: self.now.mono_ms, have, watched });
    }

    /// In polling the next poll may come as late as the interval says, or the budget; peers must
    /// not take that for absence. Beyond what the wire allows to declare they do: somebody who
    /// reads less than every 25 minutes is not there.
    fn declared_heartbeat_ms(&self) -> u64 {
        let slowest = self.config.slow_polling_interval.max(self.config.polling_interval);
        let most = *limits::HEARTBEAT_MS.end();
        let planned = self.budget_wait_after_read().unwrap_or(most);
        let background = millis(self.config.background_heartbeat_interval);
        let latest = match self.signals.app_state {
            AppState::Background => background + background / 5,
            AppState::Foreground | AppState::Suspended => self.heartbeat_ms(),
        };
        latest.max(millis(slowest)).max(planned).min(most)
    }

    /// Whether a request may go out that only tells.
    pub(crate) fn may_tell(&self) -> bool {
        self.sync.is_none() && self.http_is_open() && self.may_read()
    }

    /// Tells receipts and typing by one request that reads nothing: the feed is pushed by a stream,
    /// which hears nothing. Whichever of the two is due takes the other along.
    pub(crate) fn tell_by_request(&mut self) {
        let id = RequestId(self.id());
        let sync = SyncRequest {
            cursor: None,
            limit: limits::PAGE_EVENTS,
            wait_ms: 0,
            have: Default::default(),
            app_state: self.signals.app_state,
            // The stream is the heartbeat, however rare polls would be.
            heartbeat_ms: self.heartbeat_ms(),
            ops: Vec::new(),
            receipts: self.tell_untold(),
            device: self.device,
            // The stream tells of them.
            watch: None,
            typing: self.due_typing(),
        };
        self.request_as(id, Request::Sync(sync), Purpose::Sync);
        let (at_ms, have) = (self.now.mono_ms, Vec::new());
        self.sync = Some(Sync { id, over_socket: false, at_ms, have, watched: None });
    }

    /// The network is another one: what was asked over the old one and can be asked again is asked
    /// again at once, rather than after the time that an answer may take. A late one is heard by
    /// nobody.
    pub(crate) fn leave_network(&mut self) {
        self.moved_at = Some(self.now.mono_ms);
        let again = |asked: &Asked| {
            matches!(
                asked.purpose,
                Purpose::Sync
                    | Purpose::Boot
                    | Purpose::Ops(_)
                    | Purpose::Settings(..)
                    | Purpose::Blocks(_)
            )
        };
        let mut lost: Vec<RequestId> =
            self.requests.iter().filter(|(_, asked)| again(asked)).map(|(id, _)| *id).collect();
        lost.sort_unstable();
        for id in lost {
            self.requests.remove(&id);
            self.outbox.lost(Carrier::Request(id));
        }
        self.drop_uploads_on_their_way();
        self.uploads_may_go_on();
        self.sync = None;
        self.boot = None;
        self.settings_told = None;
        self.blocks.forget_asked();
        self.forget_told();
        self.files_leave_network();
    }

    /// Polls go on only from what was told of the rooms that stay; also the one that is on its way.
    pub(crate) fn retain_told(&mut self, stays: impl Fn(&RoomId) -> bool) {
        self.watching.retain_told(&stays);
        if let Some(rooms) = self.sync.as_mut().and_then(|sync| sync.watched.as_mut()) {
            rooms.retain(stays);
        }
    }

    /// Operations that ride on a `sync`.
    fn board_ops(&mut self, carrier: Carrier) -> Vec<RoomOps> {
        let mut bytes = 0;
        let mut aboard = Vec::new();
        for room in self.marked_rooms().into_iter().take(SYNC_ROOMS) {
            let ops = self.next_ops(room);
            bytes += ops.iter().map(tidewire_protocol::Op::wire_bytes).sum::<usize>();
            if bytes > SYNC_OPS_BYTES && !aboard.is_empty() {
                break;
            }
            self.depart(room, carrier, &ops);
            aboard.push(RoomOps { room, ops });
        }
        aboard
    }

    /// The answer to a `sync` over the socket.
    pub(crate) fn synced(&mut self, synced: Synced) {
        let id = RequestId(synced.request);
        if let Some(sync) = self.sync.as_ref().filter(|sync| sync.id == id) {
            self.answered(sync.at_ms);
        }
        let answer = match (synced.response, synced.error) {
            (Some(response), _) => Ok(Response::Sync(response)),
            (None, Some(error)) => {
                if self.refused_token(&error, self.auth.generation()) {
                    self.close_link("the token was refused");
                }
                Err(RequestError::Refused(error))
            }
            (None, None) => Err(RequestError::Network("an answer without content".into())),
        };
        self.sync_answered(id, answer);
    }

    fn sync_answered(&mut self, id: RequestId, answer: Result<Response, RequestError>) {
        let sends = self.outbox.lost(Carrier::Request(id));
        if let Err(RequestError::Refused(error)) = &answer
            && sends
            && error.temporary
            && error.retry_after_ms.is_some()
        {
            // The slot is theirs as well, whatever carries them next.
            self.ops_put_off(error);
        }
        // An answer from before the socket was lost or the store failed: its page is too late,
        // what it says of operations is still true.
        let current = self.sync.take_if(|sync| sync.id == id);
        if current.is_some() {
            self.reading(false);
        }
        match answer {
            Ok(Response::Sync(response)) => self.sync_succeeded(current, response),
            Ok(_) => {}
            Err(error) => {
                if let RequestError::Refused(WireError {
                    code: ErrorCode::CursorExpired | ErrorCode::CursorInvalid,
                    ..
                }) = &error
                {
                    if current.is_some() {
                        self.close_link("the cursor was refused");
                        self.forget_cursor();
                    }
                } else {
                    self.http_failed(&error);
                    self.forget_told();
                    self.poll_due = true;
                    // Whoever asked has had an answer: what follows is the client's decision.
                    self.read_asked = false;
                }
            }
        }
    }

    fn sync_succeeded(&mut self, mut current: Option<Sync>, mut response: SyncResponse) {
        let watched = current.as_mut().and_then(|sync| sync.watched.take());
        let news = response.ephemeral.take();
        self.told_ephemeral_members(response.ephemeral_members);
        self.max_upload_bytes = response.max_upload_bytes;
        self.page_came(current, response);
        // After the page: who has sent what he typed, and types again, types.
        if let Some(rooms) = watched {
            self.told_by_poll(rooms, news);
        }
    }

    fn page_came(&mut self, current: Option<Sync>, response: SyncResponse) {
        if self.http_backoff.failures() > 0 && self.signals.sockets_fail {
            // The server is back: sockets may be, too.
            self.retry_links();
        }
        self.http_backoff.reset();
        self.told_crowd(response.online, response.policy);
        for sent in response.results {
            self.sent(sent, false);
        }
        // After the results: what was accepted just now is not too old.
        self.hear_time(response.now);
        let Some(page) = response.page else { return };
        let more = page.more;
        let Some(sync) = current else {
            self.stats.pages_dropped += 1;
            return;
        };
        if self.feed_is_pushed() {
            self.stats.pages_dropped += 1;
        } else if self.accept_page(page, &sync.have, false) {
            if more {
                self.poll_due = true;
            } else {
                self.read_asked = false;
                self.refreshes_read();
            }
        }
    }

    pub(crate) fn sync_over_socket(&self) -> bool {
        self.sync.as_ref().is_some_and(|sync| sync.over_socket)
    }

    pub(crate) fn sync_lost_with_socket(&mut self) {
        self.sync.take_if(|sync| sync.over_socket);
    }

    fn boot_answered(&mut self, id: RequestId, answer: Result<Response, RequestError>) {
        let Some(boot) = self.boot.take_if(|boot| boot.request == id) else { return };
        if self.phase != Phase::Ready {
            return;
        }
        match answer {
            Ok(Response::Bootstrap(first)) => self.booted(boot, first),
            Ok(Response::Rooms(page)) => self.boot_rooms(boot, page),
            Ok(_) => {}
            Err(error) => {
                self.read_asked = false;
                self.http_failed(&error);
            }
        }
    }

    fn booted(&mut self, mut boot: Boot, mut first: Bootstrap) {
        if first.user != self.config.user {
            self.wrong_user(first.user);
            return;
        }
        self.http_backoff.reset();
        self.idempotency_window_ms = first.idempotency_window_ms;
        self.hear_time(first.now);
        let rooms = std::mem::take(&mut first.rooms);
        let next = first.next.take();
        boot.saw(&rooms);
        boot.cursor = Some(first.cursor.clone());
        self.merge_bootstrap(Some(&first), rooms);
        self.told_crowd(first.online, first.policy);
        self.told_ephemeral_members(first.ephemeral_members);
        self.max_upload_bytes = first.max_upload_bytes;
        self.boot_next(boot, next);
    }

    fn joined_rooms(&self) -> BTreeSet<RoomId> {
        self.rooms.iter().filter(|(_, room)| room.state.joined).map(|(id, _)| *id).collect()
    }

    fn boot_rooms(&mut self, mut boot: Boot, page: RoomPage) {
        boot.saw(&page.rooms);
        self.merge_bootstrap(None, page.rooms);
        self.boot_next(boot, page.next);
    }

    fn boot_next(&mut self, mut boot: Boot, next: Option<String>) {
        match (next, boot.cursor.clone()) {
            (Some(next), _) => {
                boot.request = self.request(Request::Rooms(next), Purpose::Boot);
                self.boot = Some(boot);
            }
            (None, Some(cursor)) => self.finish_bootstrap(cursor, &boot.unseen),
            (None, None) => {}
        }
    }

    /// Asks for the state of a room that only events are known of, or whose state lacks something.
    pub(crate) fn ask_for_state(&mut self, id: RoomId) {
        let may = self.http_is_open() && self.auth.is_ready() && self.online();
        if let Some(room) = self.rooms.get_mut(&id)
            && room.needs_state()
            && !room.asked
            && may
        {
            room.asked = true;
            self.request(Request::Room(id), Purpose::RoomState(id));
        }
    }

    fn state_answered(&mut self, id: RoomId, answer: Result<Response, RequestError>) {
        match answer {
            Ok(Response::Room(state)) => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.asked = false;
                }
                self.accept_state(state, Default::default());
            }
            Ok(_) => {}
            Err(error) => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.asked = false;
                }
                self.http_failed(&error);
            }
        }
    }

    /// Whether the server may be asked on the client's own account.
    pub(crate) fn http_is_open(&self) -> bool {
        self.timers.get(Timer::HttpRetry).is_none()
    }

    /// A request of the client's own account failed: wait, then go on.
    pub(crate) fn http_failed(&mut self, error: &RequestError) {
        let slot = match error {
            // The token's affair: another one is being fetched.
            RequestError::Refused(error) if error.code.status() == 401 => return,
            RequestError::Refused(error) => error.retry_after_ms,
            RequestError::Network(_) => None,
        };
        let wait = self.http_backoff.fail(slot, &mut self.rng);
        if slot.is_some() {
            self.http_slot_until = self.now.mono_ms + wait;
            self.timers.disarm(Timer::HttpRetry);
        } else if self.now.mono_ms < self.http_slot_until && !self.http_is_open() {
            return;
        }
        self.timers.arm_no_later(Timer::HttpRetry, self.now.mono_ms + wait);
    }

    pub(crate) fn request(&mut self, request: Request, purpose: Purpose) -> RequestId {
        let id = RequestId(self.id());
        self.request_as(id, request, purpose);
        id
    }

    fn request_as(&mut self, id: RequestId, request: Request, purpose: Purpose) {
        self.stats.requests += 1;
        self.reach_out();
        let (generation, at_ms) = (self.auth.generation(), self.now.mono_ms);
        self.requests.insert(id, Asked { purpose, generation, at_ms });
        self.effect(Effect::Request(id, request));
    }

    /// Whether operations should ride on a poll rather than go on their own.
    pub(crate) fn ops_ride_on_polls(&self) -> bool {
        self.signals.report().mode == Mode::Polling
    }
}
