//! Open timelines: filled from the disk, then from the server where the disk has a hole.

use std::collections::BTreeMap;

use tidewire_protocol::{EventId, History, HistoryAnchor, HistoryQuery, Op, RoomId, Seq, limits};

use super::commit::After;
use super::effect::{
    Command, CommandId, Effect, Notice, Older, Problem, Query, Reply, Request, RequestError,
    Response, Rows, StartRows, StoreToken, TimelineId,
};
use super::heads::Entry;
use super::message::Message;
use super::outbox::Outbox;
use super::room::Room;
use super::search::{Indexing, Searching};
use super::stats::Tier;
use super::time::{Now, Timer};
use super::unread::Tail;
use super::window::{Sources, Window};
use super::{Engine, Phase, Purpose};
use crate::config::millis;
use crate::defaults;
use crate::error::{Error, StoreError};

/// What is being loaded from the disk.
#[derive(Debug)]
pub(crate) enum LoadPurpose {
    Start,
    /// The first rows of a window.
    Window {
        room: RoomId,
        waiting: Vec<(CommandId, TimelineId)>,
        since: u64,
    },
    /// Older rows of a window; `start` is where the held range begins.
    Older {
        room: RoomId,
        command: CommandId,
        before: Seq,
        start: Seq,
        limit: usize,
        since: u64,
    },
    Profiles,
    /// Messages that somebody looks for.
    Search(Searching),
    /// What the search index does not have yet.
    Unindexed,
    /// A message that somebody asks about.
    Why(CommandId, RoomId, EventId),
    /// Messages that are quoted in a window.
    Quotes(RoomId, Vec<EventId>),
    /// The message that an operation is to change.
    Target(CommandId, RoomId, Box<Op>),
    /// How large the cache is.
    Sizes,
    /// The same, for the app.
    Report(CommandId),
}

/// A page of history on its way.
#[derive(Debug)]
pub(crate) struct Fetch {
    room: RoomId,
    /// Who waits for it; nobody if the engine fetches on its own account.
    command: Option<CommandId>,
    /// The life of the cache that it was asked for in: another one's history does not belong in it.
    life: u64,
    since: u64,
}

impl Fetch {
    /// One that nobody waits for.
    pub(crate) fn ahead(room: RoomId, life: u64, since: u64) -> Self {
        Self { room, command: None, life, since }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.command.is_some()
    }
}

impl Engine {
    /// The store's answer to a query.
    pub fn handle_loaded(&mut self, now: Now, token: StoreToken, rows: Rows) {
        self.now = now;
        match (self.loads.remove(&token), rows) {
            (Some(LoadPurpose::Start), Rows::Start(rows)) => self.started(*rows),
            (Some(LoadPurpose::Window { room, waiting, since }), Rows::Events(events)) => {
                // With nothing there the server is asked next.
                if !events.is_empty() {
                    self.read(Tier::Disk, now.mono_ms - since);
                }
                self.fill_window(room, events, waiting);
            }
            (
                Some(LoadPurpose::Older { room, command, before, start, limit, since }),
                Rows::Events(events),
            ) => {
                self.read(Tier::Disk, now.mono_ms - since);
                // Fewer than asked for: the rest of the range was folded away.
                let oldest = if events.len() < limit { None } else { events.first() };
                let from = oldest.map_or(start, |event| event.seq);
                let messages = events.into_iter().map(|e| Message::of_event(e).into());
                let mut added = 0;
                if let Some(window) = self.windows.get_mut(&room)
                    && window.oldest().is_none_or(|oldest| oldest == before)
                {
                    added = window.extend(messages, from);
                }
                let first = self.rooms.get(&room).map_or(from, |room| room.state.first_seq);
                let older = Older { added, tier: Tier::Disk, more: from > first };
                self.flush_window(room);
                self.reply(command, Ok(Reply::Older(older)));
            }
            (Some(LoadPurpose::Search(searching)), Rows::Search(rows)) => {
                self.searched(searching, *rows);
            }
            (Some(LoadPurpose::Unindexed), Rows::Unindexed(rooms)) => {
                self.unindexed_loaded(!rooms.is_empty());
            }
            (Some(LoadPurpose::Profiles), Rows::Profiles(found)) => {
                self.profiles_loaded(found);
            }
            (Some(LoadPurpose::Sizes), Rows::Sizes(sizes)) => self.sizes_told(Some(sizes)),
            (Some(LoadPurpose::Report(command)), Rows::Sizes(sizes)) => {
                self.tell_report(command, sizes);
            }
            (Some(LoadPurpose::Why(command, room, id)), Rows::Events(events)) => {
                self.why_event(command, room, id, events.first());
            }
            (Some(LoadPurpose::Quotes(room, ids)), Rows::Events(events)) => {
                let found = events.into_iter().map(|e| Message::of_event(e).into()).collect();
                if let Some(window) = self.windows.get_mut(&room) {
                    window.quotes_found(&ids, found);
                }
            }
            (Some(LoadPurpose::Target(command, room, op)), Rows::Events(events)) => {
                self.target_found(command, room, *op, events.into_iter().next());
            }
            _ => {}
        }
        self.advance();
    }

    /// The store could not answer a query.
    pub fn handle_load_failed(&mut self, now: Now, token: StoreToken, error: StoreError) {
        self.now = now;
        match self.loads.remove(&token) {
            // The next start mends it; whoever waits for this one waits for that.
            Some(LoadPurpose::Start)
                if matches!(error, StoreError::Damaged { .. })
                    && !matches!(self.store_told, Some(StoreError::Damaged { .. })) =>
            {
                self.store_told = Some(error.clone());
                self.notify(Notice::Problem(Problem::StoreFailed(error)));
                self.load_start();
            }
            Some(LoadPurpose::Start) => {
                self.load_again_later();
                for (command, deferred) in std::mem::take(&mut self.deferred) {
                    match deferred {
                        Command::CloseTimeline(timeline) => self.close_timeline(timeline),
                        Command::CloseRoomList(list) => self.close_list(list),
                        // Its reader takes nothing but the reset.
                        Command::ResetTimeline(_) | Command::ResetRoomList(_) => {
                            self.deferred.push((command, deferred));
                        }
                        Command::ShowRooms { .. } => self.deferred.push((command, deferred)),
                        _ => self.reply(command, Err(Error::Store(error.clone()))),
                    }
                }
                self.store_failed(error);
            }
            // Mended at the next start, which loads the window too.
            Some(purpose @ LoadPurpose::Window { .. })
                if matches!(error, StoreError::Damaged { .. } | StoreError::Superseded) =>
            {
                let token = StoreToken(self.id());
                self.loads.insert(token, purpose);
                self.store_failed(error);
            }
            Some(LoadPurpose::Window { room, waiting, .. }) => {
                for (command, timeline) in waiting {
                    self.close_timeline(timeline);
                    self.reply(command, Err(Error::Store(error.clone())));
                }
                // Somebody still looks at it: it is loaded again with everything else.
                if self.windows.contains_key(&room) {
                    self.store_failed(error);
                }
            }
            Some(LoadPurpose::Older { command, .. }) => self.load_refused(command, error),
            Some(LoadPurpose::Search(searching)) => self.load_refused(searching.command, error),
            // The next start goes on with it.
            Some(LoadPurpose::Unindexed) => self.unindexed_loaded(false),
            Some(LoadPurpose::Profiles) => self.profiles_not_loaded(error),
            Some(
                LoadPurpose::Why(command, ..)
                | LoadPurpose::Report(command)
                | LoadPurpose::Target(command, ..),
            ) => self.load_refused(command, error),
            Some(LoadPurpose::Sizes) => {
                self.sizes_told(None);
                self.damage_found(error);
            }
            // Quotes are asked for again when the window next changes.
            Some(LoadPurpose::Quotes(..)) | None => {}
        }
        self.advance();
    }

    fn load_refused(&mut self, command: CommandId, error: StoreError) {
        self.reply(command, Err(Error::Store(error.clone())));
        self.damage_found(error);
    }

    /// Where one query finds damage, nothing is read any more until it is mended.
    pub(crate) fn damage_found(&mut self, error: StoreError) {
        if matches!(error, StoreError::Damaged { .. }) {
            self.store_failed(error);
        }
    }

    /// Asks for everything that is committed.
    pub(crate) fn load_start(&mut self) {
        self.load(Query::Start(self.config.user.clone()), LoadPurpose::Start);
    }

    pub(crate) fn load(&mut self, query: Query, purpose: LoadPurpose) {
        let token = StoreToken(self.id());
        self.loads.insert(token, purpose);
        self.effect(Effect::Load(token, query));
    }

    /// Goes on from what is committed, at the start or after the store failed.
    fn started(&mut self, rows: StartRows) {
        self.phase = Phase::Ready;
        self.loaded_once = true;
        self.cursor = rows.cursor;
        self.queued_cursor_at = self.now.mono_ms;
        self.epoch = rows.epoch;
        let user = &self.config.user;
        self.heads.wipe();
        self.rooms.clear();
        for mut row in rows.rooms {
            let (id, tail) = (row.state.id, Tail::load(std::mem::take(&mut row.tail)));
            let room = Room::load(row, user);
            self.heads.rooms.insert(id, Entry::new(room.head(user), tail, room.marked));
            self.heads.touch(id);
            self.rooms.insert(id, room);
        }
        self.heads.drafts = rows.drafts.into_iter().map(|draft| (draft.room, draft.text)).collect();
        self.heads.wishes =
            rows.wishes.into_iter().map(|wish| (wish.room, wish.settings)).collect();
        self.owing = self.rooms.keys().copied().collect();
        self.watching.again = true;
        self.outbox = Outbox::load(rows.outbox);
        self.forget_retention();
        if let Some(repair) = rows.repair {
            self.tiers.repair = Some(repair.clone());
            self.notify(Notice::Problem(Problem::Repaired(repair)));
        }
        self.indexing = if rows.unindexed { Indexing::Due } else { Indexing::Done };
        self.rooms_changed = true;
        self.poll_due = true;
        self.expire_outbox();
        self.reload_windows();
        for (id, command) in std::mem::take(&mut self.deferred) {
            self.command(id, command);
        }
    }

    /// Fills all open windows anew from what is on disk once all that was given before is done.
    pub(crate) fn reload_windows(&mut self) {
        let mut waiting: BTreeMap<RoomId, Vec<(CommandId, TimelineId)>> =
            self.windows.keys().map(|room| (*room, Vec::new())).collect();
        // Rows that are being loaded may be of before.
        let mut unanswered = Vec::new();
        self.loads.retain(|_, purpose| match purpose {
            LoadPurpose::Window { room, waiting: of_load, .. } => {
                waiting.entry(*room).or_default().append(of_load);
                false
            }
            LoadPurpose::Older { command, .. } => {
                unanswered.push(*command);
                false
            }
            // The windows ask for them anew.
            LoadPurpose::Quotes(..) => false,
            LoadPurpose::Start
            | LoadPurpose::Profiles
            | LoadPurpose::Search(_)
            | LoadPurpose::Unindexed
            | LoadPurpose::Why(..)
            | LoadPurpose::Target(..)
            | LoadPurpose::Sizes
            | LoadPurpose::Report(_) => true,
        });
        for command in unanswered {
            let older = Older { added: 0, tier: Tier::Disk, more: true };
            self.reply(command, Ok(Reply::Older(older)));
        }
        for (room, waiting) in waiting {
            if let Some(window) = self.windows.get_mut(&room) {
                window.clear();
                window.loaded = false;
                window.fetching = false;
            }
            self.load_window(room, waiting);
        }
    }

    pub(crate) fn open_timeline(&mut self, command: CommandId, id: TimelineId, room: RoomId) {
        if !self.rooms.contains_key(&room) {
            self.reply(command, Err(Error::UnknownRoom(room)));
            return;
        }
        self.windows_opened += 1;
        self.interest.changed();
        let opened = self.windows_opened;
        let first = !self.windows.contains_key(&room);
        self.watching.again = true;
        let window = self.windows.entry(room).or_insert_with(|| Window::new(opened));
        window.opened = opened;
        let is_loaded = window.loaded;
        self.timelines.insert(id, room);
        self.note_opened(room);
        if is_loaded {
            self.read(Tier::Memory, 0);
            self.flush_window(room);
            self.attach(id, room);
            self.reply(command, Ok(Reply::Opened));
        } else if first {
            self.load_window(room, vec![(command, id)]);
        } else {
            for purpose in self.loads.values_mut() {
                if let LoadPurpose::Window { room: other, waiting, .. } = purpose
                    && *other == room
                {
                    waiting.push((command, id));
                    return;
                }
            }
        }
    }

    fn load_window(&mut self, room: RoomId, waiting: Vec<(CommandId, TimelineId)>) {
        let since = self.now.mono_ms;
        let query = Query::Newest { room, limit: defaults::TIMELINE_PAGE };
        self.load(query, LoadPurpose::Window { room, waiting, since });
    }

    fn fill_window(
        &mut self,
        room: RoomId,
        events: Vec<tidewire_protocol::Event>,
        waiting: Vec<(CommandId, TimelineId)>,
    ) {
        let others = self.rooms.get(&room).and_then(|room| room.others(&self.config.user));
        if let Some(window) = self.windows.get_mut(&room) {
            window.loaded = true;
            window.set_others(others);
            if let Some(first) = events.first() {
                let from = first.seq;
                window.extend(events.into_iter().map(|e| Message::of_event(e).into()), from);
            }
        }
        self.flush_window(room);
        for (command, timeline) in waiting {
            self.attach(timeline, room);
            self.reply(command, Ok(Reply::Opened));
        }
    }

    /// From here on the timeline gets the window's updates, beginning with everything.
    fn attach(&mut self, timeline: TimelineId, room: RoomId) {
        if !self.timelines.contains_key(&timeline) {
            return;
        }
        if let Some(window) = self.windows.get_mut(&room) {
            window.timelines.push(timeline);
            let reset = window.reset();
            self.notify(Notice::Timeline(timeline, reset));
        }
    }

    pub(crate) fn reset_timeline(&mut self, command: CommandId, timeline: TimelineId) {
        let window = self.timelines.get(&timeline).and_then(|room| self.windows.get_mut(room));
        if let Some(window) = window {
            let reset = window.reset();
            self.notify(Notice::Timeline(timeline, reset));
        }
        self.reply(command, Ok(Reply::Done));
    }

    pub(crate) fn close_timeline(&mut self, timeline: TimelineId) {
        let Some(room) = self.timelines.remove(&timeline) else { return };
        if let Some(window) = self.windows.get_mut(&room) {
            window.timelines.retain(|other| *other != timeline);
        }
        if !self.timelines.values().any(|other| *other == room) {
            self.windows.remove(&room);
            self.interest.changed();
            self.watching.again = true;
        }
    }

    /// Older messages: from the disk as far as they are held without a hole, else from the server.
    pub(crate) fn load_older(&mut self, command: CommandId, timeline: TimelineId, count: usize) {
        let Some(room_id) = self.timelines.get(&timeline).copied() else {
            self.reply(command, Err(Error::Closed));
            return;
        };
        let (Some(window), Some(room)) = (self.windows.get(&room_id), self.rooms.get(&room_id))
        else {
            self.reply(command, Err(Error::UnknownRoom(room_id)));
            return;
        };
        let max = self.config.max_messages_per_room;
        // As many as the window still takes.
        let room_left = max.saturating_sub(window.len());
        let limit = count.clamp(1, limits::HISTORY_MAX).min(room_left);
        let before = window.oldest().unwrap_or(room.state.head_seq.next());
        if before <= room.state.first_seq.max(Seq::new(1)) {
            let older = Older { added: 0, tier: Tier::Memory, more: false };
            self.reply(command, Ok(Reply::Older(older)));
        } else if limit == 0 {
            self.reply(command, Err(Error::WindowFull { max }));
        } else if let Some((start, _)) = room.held.range_of(before.previous()) {
            let start = Seq::new(start).max(room.state.first_seq);
            let query = Query::Before { room: room_id, before, from: start, limit };
            let since = self.now.mono_ms;
            let purpose =
                LoadPurpose::Older { room: room_id, command, before, start, limit, since };
            self.load(query, purpose);
        } else {
            self.fetch_history(room_id, HistoryAnchor::Before(before), limit, Some(command));
        }
    }

    /// What is missing in a gap, the newest first.
    pub(crate) fn fill_gap(
        &mut self,
        command: CommandId,
        timeline: TimelineId,
        from: Seq,
        to: Seq,
    ) {
        let Some(room) = self.timelines.get(&timeline).copied() else {
            self.reply(command, Err(Error::Closed));
            return;
        };
        let missing = to.get().saturating_sub(from.get()).saturating_add(1);
        let max = self.config.max_messages_per_room;
        let room_left = max.saturating_sub(self.windows.get(&room).map_or(0, Window::len));
        if room_left == 0 {
            self.reply(command, Err(Error::WindowFull { max }));
            return;
        }
        let most = room_left.min(limits::HISTORY_MAX);
        let limit = usize::try_from(missing).unwrap_or(usize::MAX).clamp(1, most);
        self.fetch_history(room, HistoryAnchor::Before(to.next()), limit, Some(command));
    }

    /// Fetches what open windows lack: their newest messages, and what may have changed.
    pub(crate) fn advance_windows(&mut self) {
        let failed = self.timers.get(Timer::FetchRetry).is_some();
        if failed || !self.online() || !self.auth.is_ready() || !self.http_is_open() {
            return;
        }
        for id in self.windows.keys().copied().collect::<Vec<_>>() {
            self.ask_for_state(id);
        }
        let mut wanted = Vec::new();
        for (id, window) in &mut self.windows {
            let Some(room) = self.rooms.get(id) else { continue };
            if !window.loaded || window.fetching || !room.state.joined {
                continue;
            }
            let visible = window.oldest().unwrap_or(Seq::ZERO);
            let stale = room.stale.last().filter(|end| *end >= visible);
            let anchor = room
                .lacks_newest(defaults::TIMELINE_PAGE)
                .or_else(|| stale.map(|end| HistoryAnchor::Before(end.next())));
            let Some(anchor) = anchor else { continue };
            window.fetching = true;
            wanted.push((*id, anchor));
        }
        for (room, anchor) in wanted {
            self.fetch_history(room, anchor, defaults::TIMELINE_PAGE, None);
        }
    }

    fn fetch_history(
        &mut self,
        room: RoomId,
        anchor: HistoryAnchor,
        limit: usize,
        command: Option<CommandId>,
    ) {
        if let Some(command) = command
            && !self.auth.is_ready()
        {
            // As any call of the app: at once an error, or once there is a token.
            let query = HistoryQuery::at(anchor, limit);
            self.call(command, Request::History(room, query), false);
            return;
        }
        if let Some(command) = command
            && !self.online()
        {
            self.reply(command, Err(Error::Offline));
            return;
        }
        let fetch = Fetch { room, command, life: self.cache_life, since: self.now.mono_ms };
        let request = Request::History(room, HistoryQuery::at(anchor, limit));
        self.request(request, Purpose::History(fetch));
    }

    /// History that the app asked for before there was a token.
    pub(crate) fn history_for(&mut self, command: CommandId, room: RoomId, history: History) {
        let (life, since) = (self.cache_life, self.now.mono_ms);
        let fetch = Fetch { room, command: Some(command), life, since };
        self.history_answered(fetch, Ok(Response::History(history)));
    }

    pub(crate) fn history_answered(
        &mut self,
        fetch: Fetch,
        answer: Result<Response, RequestError>,
    ) {
        if fetch.command.is_none()
            && let Some(window) = self.windows.get_mut(&fetch.room)
        {
            window.fetching = false;
        }
        match answer {
            Ok(_) if fetch.life != self.cache_life || !self.rooms.contains_key(&fetch.room) => {
                if let Some(command) = fetch.command {
                    self.reply(command, Err(Error::UnknownRoom(fetch.room)));
                }
            }
            Ok(Response::History(history)) if self.phase == Phase::Ready => {
                self.fetch_backoff.reset();
                self.read(Tier::Server, self.now.mono_ms - fetch.since);
                let older = Older {
                    added: history.messages.len(),
                    tier: Tier::Server,
                    more: history.covers.is_some_and(|(from, _)| from > history.first_seq),
                };
                let reply = fetch.command.map(|command| (command, Reply::Older(older)));
                self.merge_history(fetch.room, history, After { reply, ..After::default() });
            }
            Ok(_) => {
                if let Some(command) = fetch.command {
                    let error = self.store_told.clone().unwrap_or(StoreError::Superseded);
                    self.reply(command, Err(Error::Store(error)));
                }
            }
            Err(error) => {
                match (fetch.command, &error) {
                    (Some(command), _) => self.reply(command, Err(error.into())),
                    (None, RequestError::Network(_)) => self.http_failed(&error),
                    // This room's own trouble: nothing else waits for it.
                    (None, RequestError::Refused(refused)) => {
                        let slot = refused.retry_after_ms;
                        let wait = self.fetch_backoff.fail(slot, &mut self.rng);
                        self.timers.arm(Timer::FetchRetry, self.now.mono_ms + wait);
                    }
                }
            }
        }
    }

    /// Sends out the updates that are due, and arms the timer for the others.
    pub(crate) fn flush_windows(&mut self) {
        let now = self.now.mono_ms;
        let buffer = millis(self.config.message_buffer_time);
        let mut due = Vec::new();
        let mut next: Option<u64> = None;
        for (id, window) in &self.windows {
            if !window.dirty || !window.loaded {
                continue;
            }
            let at = window.flush_at(now, buffer);
            if at <= now {
                due.push(*id);
            } else {
                next = Some(next.map_or(at, |earlier| earlier.min(at)));
            }
        }
        for room in due {
            self.flush_window(room);
        }
        match next {
            Some(at) => self.timers.arm(Timer::Flush, at),
            None => self.timers.disarm(Timer::Flush),
        }
    }

    pub(crate) fn flush_window(&mut self, id: RoomId) {
        let Some(window) = self.windows.get_mut(&id) else { return };
        // A room of another epoch may be unknown now: then only what waits to be sent is shown.
        let unknown = Room::unknown(id, 0);
        let room = self.rooms.get(&id).unwrap_or(&unknown);
        if !window.loaded {
            return;
        }
        let sources = Sources {
            user: &self.config.user,
            held: &room.held,
            feed_seq: room.feed_seq,
            first_seq: room.state.first_seq,
            outbox: self.outbox.of_room(id),
        };
        if let Some(update) = window.flush(&sources, self.now.mono_ms) {
            for timeline in window.timelines.clone() {
                self.effects.push_back(Effect::Notify(Notice::Timeline(timeline, update.clone())));
            }
        }
        let ids = std::mem::take(&mut window.unknown_quotes);
        self.look_for_quotes(id, ids);
    }

    /// Asks the disk for messages that a window quotes and does not show, one question at a time: the
    /// answer brings the next one.
    fn look_for_quotes(&mut self, room: RoomId, ids: Vec<EventId>) {
        let of_room = |purpose: &LoadPurpose| matches!(purpose, LoadPurpose::Quotes(other, _) if *other == room);
        let asked = self.loads.values().any(of_room);
        if !ids.is_empty() && !asked && self.phase == Phase::Ready && !self.rests() {
            let query = Query::Messages { room, ids: ids.clone() };
            self.load(query, LoadPurpose::Quotes(room, ids));
        }
    }

    pub(crate) fn enqueues_in_flight(&self) -> usize {
        self.commits.iter().filter(|pending| pending.enqueues()).count()
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused(error) if error.code.status() == 401 => {
                Error::AuthRequired(error.to_string())
            }
            RequestError::Refused(error) => Error::Refused(error),
            RequestError::Network(reason) => Error::Network(reason),
        }
    }
}
