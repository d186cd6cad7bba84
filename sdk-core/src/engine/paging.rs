//! More messages of a timeline: older ones, newer ones, those of a gap. From the disk as far as they are held
//! without a hole, else from the server.

use std::sync::Arc;

use tidewire_protocol::{EventId, History, HistoryAnchor, HistoryQuery, RoomId, Seq, limits};

use super::commit::After;
use super::effect::{
    CommandId, GapSide, Loaded, Query, Reply, Request, RequestError, Response, TimelineId,
};
use super::loads::{Asked, LoadPurpose, Step};
use super::merge::Covers;
use super::message::Message;
use super::stats::Tier;
use super::time::Timer;
use super::window::{END, Of, Side, Start, Window};
use super::windows::WindowKey;
use super::{Engine, Phase, Purpose};
use crate::defaults;
use crate::error::{Error, StoreError};

/// What a page of history is fetched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// A room that nobody has open.
    Errand,
    /// What open windows lack.
    Ahead,
    /// The first messages of a window.
    Open(WindowKey, TimelineId),
    /// What comes before a window, or after it.
    Grow(WindowKey, Side),
    /// What is missing within a window, read towards this side.
    Gap(WindowKey, Side),
}

/// What an open window lacks.
#[derive(Debug)]
struct Lack {
    anchor: HistoryAnchor,
    limit: usize,
    thread: Option<EventId>,
}

/// A page of history on its way.
#[derive(Debug)]
pub(crate) struct Fetch {
    room: RoomId,
    /// Who waits for it; nobody if the engine fetches on its own account.
    command: Option<CommandId>,
    goal: Goal,
    /// The message whose thread it is a page of.
    thread: Option<EventId>,
    /// The life of the cache that it was asked for in: another one's history does not belong in it.
    life: u64,
    since: u64,
}

/// A page of history on its way to the disk: everything from `from` to `to`.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) room: RoomId,
    pub(crate) from: Seq,
    pub(crate) to: Seq,
    pub(crate) messages: Vec<Arc<Message>>,
    pub(crate) goal: Goal,
    pub(crate) thread: Option<EventId>,
}

impl Fetch {
    /// One for a room that nobody has open.
    pub(crate) fn errand(room: RoomId, life: u64, since: u64) -> Self {
        Self { room, command: None, goal: Goal::Errand, thread: None, life, since }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.command.is_some()
    }
}

impl Engine {
    /// The window of a timeline that is open.
    fn window_of(&mut self, command: CommandId, timeline: TimelineId) -> Option<WindowKey> {
        let key = self.timelines.get(&timeline).and_then(|view| view.window);
        let key = key.filter(|key| self.windows.get(*key).is_some_and(|window| window.loaded));
        if key.is_none() {
            self.reply(command, Err(Error::Closed));
        }
        key
    }

    /// How many messages one page brings at most: never more than half of what a window holds, so
    /// that something of what was shown stays.
    fn page_limit(&self, count: usize) -> usize {
        let half = self.config.max_messages_per_room / 2;
        count.clamp(1, limits::HISTORY_MAX).min(half.max(1))
    }

    /// A window is about to grow by so many messages. One that has to leave the newest for that is
    /// from then on the timeline's own.
    fn prepare(&mut self, key: WindowKey, timeline: TimelineId, more: usize) -> WindowKey {
        let used = self.windows.next_use();
        let max = self.config.max_messages_per_room;
        let Some(window) = self.windows.get_mut(key) else { return key };
        window.used = used;
        let shared = window.timelines.len() + window.waiting.len() > 1;
        if !shared || window.len() + more <= max {
            window.reads_all = true;
            return key;
        }
        let mut own = window.split(timeline);
        own.reads_all = true;
        let key = self.windows.insert(key.room, own);
        if let Some(view) = self.timelines.get_mut(&timeline) {
            view.window = Some(key);
        }
        key
    }

    /// Older messages.
    pub(crate) fn load_older(&mut self, command: CommandId, timeline: TimelineId, count: usize) {
        let Some(key) = self.window_of(command, timeline) else { return };
        let limit = self.page_limit(count);
        let key = self.prepare(key, timeline, limit);
        let (Some(window), Some(room)) = (self.windows.get(key), self.rooms.get(&key.room)) else {
            self.reply(command, Err(Error::UnknownRoom(key.room)));
            return;
        };
        let before = window.oldest().unwrap_or(room.state.head_seq.next());
        if before <= window.bottom(room.state.first_seq) {
            let loaded = Loaded { added: 0, tier: Tier::Memory, more: false };
            self.reply(command, Ok(Reply::Loaded(loaded)));
            return;
        }
        let thread = window.of.thread();
        let asked = Asked { command, timeline, count };
        if let Some(before) = self.step_older(key, limit, Some(asked)) {
            let goal = Goal::Grow(key, Side::Older);
            let anchor = HistoryAnchor::Before(before);
            self.fetch_history(key.room, anchor, limit, Some(command), goal, thread);
        }
    }

    /// Reads on before a window's first place, if it is held there; else gives that place.
    fn step_older(&mut self, key: WindowKey, limit: usize, asked: Option<Asked>) -> Option<Seq> {
        let (window, state) = (self.windows.get(key)?, self.rooms.get(&key.room)?);
        let before = window.oldest().unwrap_or(state.state.head_seq.next());
        let Some((start, _)) = window.held(&state.held).range_of(before.previous()) else {
            return Some(before);
        };
        let start = Seq::new(start).max(window.bottom(state.state.first_seq));
        let room = key.room;
        let query = match window.of {
            Of::Room => Query::Before { room, before, from: start, limit },
            Of::Thread(root) => Query::Thread { room, root, before, limit },
        };
        let step = Step::Older { before, start, limit };
        let since = self.now.mono_ms;
        self.load(query, LoadPurpose::Step { key, step, asked, since });
        None
    }

    /// Newer messages, for a window that does not follow the newest.
    pub(crate) fn load_newer(&mut self, command: CommandId, timeline: TimelineId, count: usize) {
        let Some(key) = self.window_of(command, timeline) else { return };
        let limit = self.page_limit(count);
        let key = match self.windows.get(key) {
            Some(window) if window.is_live() => {
                let loaded = Loaded { added: 0, tier: Tier::Memory, more: false };
                self.reply(command, Ok(Reply::Loaded(loaded)));
                return;
            }
            _ => self.prepare(key, timeline, limit),
        };
        let asked = Asked { command, timeline, count };
        if let Some(after) = self.step_newer(key, limit, Some(asked)) {
            let goal = Goal::Grow(key, Side::Newer);
            let thread = self.windows.get(key).and_then(|window| window.of.thread());
            let anchor = HistoryAnchor::After(after);
            self.fetch_history(key.room, anchor, limit, Some(command), goal, thread);
        }
    }

    /// Reads on behind a window's end, if it is held there; else gives where that is.
    fn step_newer(&mut self, key: WindowKey, limit: usize, asked: Option<Asked>) -> Option<Seq> {
        let (window, room) = (self.windows.get(key)?, self.rooms.get(&key.room)?);
        let after = window.end();
        let whole = window.held(&room.held).range_of(after.next());
        let through = match whole {
            Some((_, end)) if end < room.feed_seq.get() => Seq::new(end),
            None if after < room.feed_seq => return Some(after),
            // What comes behind that has not been passed by the feed yet: no hole of it is shown.
            _ => END,
        };
        let (room, thread) = (key.room, window.of.thread());
        let query = Query::After { room, thread, after, through, limit };
        let step = Step::Newer { after, through, limit };
        let since = self.now.mono_ms;
        self.load(query, LoadPurpose::Step { key, step, asked, since });
        None
    }

    /// More messages of a window came from the disk.
    pub(crate) fn step_loaded(
        &mut self,
        key: WindowKey,
        step: Step,
        asked: Option<Asked>,
        mut messages: Vec<Arc<Message>>,
    ) {
        let max = self.config.max_messages_per_room;
        let first = self.rooms.get(&key.room).map_or(Seq::ZERO, |room| room.state.first_seq);
        let Some(window) = self.windows.get_mut(key) else {
            if let Some(asked) = asked {
                self.reply(asked.command, Err(Error::Closed));
            }
            return;
        };
        window.joining = false;
        let moved = match step {
            Step::Older { before, .. } => window.oldest().is_some_and(|oldest| oldest != before),
            Step::Newer { after, .. } => window.end() != after,
        };
        if moved {
            if let Some(asked) = asked {
                self.step_again(asked, step);
            }
            return;
        }
        let (added, more) = match step {
            Step::Older { start, limit, .. } => {
                let full = messages.len() >= limit;
                messages.retain(|message| message.seq >= Some(start));
                // Fewer than asked for: the rest of the range was folded away.
                let oldest = messages.first().and_then(|message| message.seq);
                let lowest = full && messages.len() >= limit;
                let from = oldest.filter(|_| lowest).unwrap_or(start);
                window.grew = Side::Older;
                (window.extend_older(&messages, from), from > window.bottom(first))
            }
            Step::Newer { through, limit, .. } => {
                let newest = messages.last().and_then(|message| message.seq);
                let to = newest.filter(|_| messages.len() >= limit).unwrap_or(through);
                window.grew = Side::Newer;
                (window.extend_newer(&messages, to), to != END)
            }
        };
        window.slide(max);
        self.flush_window(key);
        if let Some(asked) = asked {
            let loaded = Loaded { added, tier: Tier::Disk, more };
            self.reply(asked.command, Ok(Reply::Loaded(loaded)));
        }
    }

    fn step_again(&mut self, asked: Asked, step: Step) {
        let Asked { command, timeline, count } = asked;
        match step {
            Step::Older { .. } => self.load_older(command, timeline, count),
            Step::Newer { .. } => self.load_newer(command, timeline, count),
        }
    }

    /// What was being loaded when everything was loaded anew.
    pub(crate) fn ask_again(&mut self, asked: Asked) {
        let loaded = Loaded { added: 0, tier: Tier::Disk, more: true };
        self.reply(asked.command, Ok(Reply::Loaded(loaded)));
    }

    /// What is missing in a gap, from one of its sides.
    pub(crate) fn fill_gap(
        &mut self,
        command: CommandId,
        timeline: TimelineId,
        (from, to): (Seq, Seq),
        side: GapSide,
    ) {
        let Some(key) = self.window_of(command, timeline) else { return };
        let missing = to.get().saturating_sub(from.get()).saturating_add(1);
        let limit = self.page_limit(usize::try_from(missing).unwrap_or(usize::MAX));
        let key = self.prepare(key, timeline, limit);
        let (anchor, towards) = match side {
            GapSide::Newer => (HistoryAnchor::Before(to.next()), Side::Older),
            GapSide::Older => (HistoryAnchor::After(from.previous()), Side::Newer),
        };
        let thread = self.windows.get(key).and_then(|window| window.of.thread());
        let goal = Goal::Gap(key, towards);
        self.fetch_history(key.room, anchor, limit, Some(command), goal, thread);
    }

    /// Fetches what open windows lack: their newest messages, and what may have changed. One request
    /// at a time for each room.
    pub(crate) fn advance_windows(&mut self) {
        self.join_newest();
        self.fill_threads();
        let now = self.now.mono_ms;
        match self.fetches.next(now) {
            Some(at) => self.timers.arm(Timer::FetchRetry, at),
            None => self.timers.disarm(Timer::FetchRetry),
        }
        if !self.online() || !self.auth.is_ready() || !self.http_is_open() {
            return;
        }
        for id in self.windows.rooms() {
            self.ask_for_state(id);
            let lacks = match self.rooms.get(&id) {
                Some(room) if room.state.joined && !self.fetching.contains(&id) => {
                    self.lacking_of(id, room)
                }
                _ => None,
            };
            if let Some(Lack { anchor, limit, thread }) = lacks {
                self.fetching.insert(id);
                self.fetch_history(id, anchor, limit, None, Goal::Ahead, thread);
            }
        }
    }

    fn lacking_of(&self, id: RoomId, room: &super::room::Room) -> Option<Lack> {
        let may = |thread| self.fetches.may(id, thread, self.now.mono_ms);
        let windows = || {
            let all = self.windows.of(id).map(|(_, window)| window);
            all.filter(|window| window.loaded && may(window.of.thread()))
        };
        let follows = windows().any(|window| window.of == Of::Room && window.is_live());
        let newest = follows.then(|| room.lacks_newest(defaults::TIMELINE_PAGE)).flatten();
        let page = |anchor, thread| Lack { anchor, limit: defaults::TIMELINE_PAGE, thread };
        if let Some(anchor) = newest {
            return Some(page(anchor, None));
        }
        // The first of its thread.
        let root = |thread| Lack { anchor: HistoryAnchor::After(Seq::ZERO), limit: 1, thread };
        // It is there once the page that has it is on the disk.
        let comes = || self.commits.iter().any(|pending| pending.brings(id));
        let lost = windows().find(|window| window.lacks_root() && !comes());
        let lost = lost.map(|window| root(window.of.thread()));
        if lost.is_some() {
            return lost;
        }
        let (held, feed) = (&room.held, room.feed_seq);
        let before = |seq: Seq| HistoryAnchor::Before(seq.next());
        let of_threads =
            || windows().find_map(|w| Some(page(before(w.lacks(held, feed)?), w.of.thread())));
        // A page of a thread ends with the place that it was asked for, which is no longer stale then.
        let stale = || {
            let place = |window: &Window| {
                let seq = window.newest_of(&room.stale, held, feed)?;
                (seq >= room.state.first_seq).then_some((seq, window.of.thread()))
            };
            windows().filter_map(place).max_by_key(|(seq, _)| *seq)
        };
        of_threads().or_else(|| stale().map(|(seq, thread)| page(before(seq), thread)))
    }

    /// A thread that shows less than a page takes what has come to be held before it.
    fn fill_threads(&mut self) {
        if self.phase != Phase::Ready || self.rests() {
            return;
        }
        for key in self.windows.keys() {
            let (Some(window), Some(room)) = (self.windows.get(key), self.rooms.get(&key.room))
            else {
                continue;
            };
            let begins = window.oldest().map_or(Seq::ZERO, Seq::previous);
            let short = window.of.thread().is_some()
                && window.loaded
                && window.len() < defaults::TIMELINE_PAGE
                && begins >= window.bottom(room.state.first_seq)
                && window.held(&room.held).contains(begins);
            let of_window = |load: &LoadPurpose| matches!(load, LoadPurpose::Step { key: of, .. } if *of == key);
            if short && !self.loads.values().any(of_window) {
                self.step_older(key, defaults::TIMELINE_PAGE, None);
            }
        }
    }

    /// A window that has come to where the feed is follows the newest from then on.
    fn join_newest(&mut self) {
        for key in self.windows.keys() {
            let Some(room) = self.rooms.get(&key.room) else { continue };
            let Some(window) = self.windows.get_mut(key) else { continue };
            let arrived = window.loaded && !window.is_live() && window.end() >= room.feed_seq;
            if arrived && !window.joining {
                window.joining = true;
                self.step_newer(key, limits::HISTORY_MAX, None);
            }
        }
    }

    pub(crate) fn fetch_history(
        &mut self,
        room: RoomId,
        anchor: HistoryAnchor,
        limit: usize,
        command: Option<CommandId>,
        goal: Goal,
        thread: Option<EventId>,
    ) {
        let query = HistoryQuery { thread, ..HistoryQuery::at(anchor, limit) };
        if let Some(command) = command {
            if !self.auth.is_ready() {
                // As any call of the app: at once an error, or once there is a token.
                self.goals.insert(command, (goal, thread));
                self.call(command, Request::History(room, query), false);
                return;
            }
            if !self.online() {
                self.history_failed(command, goal, Error::Offline);
                return;
            }
        }
        let (life, since) = (self.cache_life, self.now.mono_ms);
        let fetch = Fetch { room, command, goal, thread, life, since };
        self.request(Request::History(room, query), Purpose::History(fetch));
    }

    /// History that the app asked for before there was a token.
    pub(crate) fn history_for(
        &mut self,
        command: CommandId,
        room: RoomId,
        history: History,
        life: u64,
    ) {
        let since = self.now.mono_ms;
        let (goal, thread) = self.goals.remove(&command).unwrap_or((Goal::Errand, None));
        let fetch = Fetch { room, command: Some(command), goal, thread, life, since };
        self.history_answered(fetch, Ok(Response::History(history)));
    }

    /// A message that a timeline is to be opened at.
    pub(crate) fn message_told(
        &mut self,
        command: CommandId,
        room: RoomId,
        history: History,
        life: u64,
    ) {
        let Some(finding) = self.findings.remove(&command) else {
            self.reply(command, Err(Error::Closed));
            return;
        };
        if life != self.cache_life {
            self.reply(command, Err(Error::UnknownRoom(room)));
            return;
        }
        if self.phase != Phase::Ready || !self.rooms.contains_key(&room) {
            let error = self.store_told.clone().unwrap_or(StoreError::Superseded);
            self.reply(command, Err(Error::Store(error)));
            return;
        }
        self.read(Tier::Server, 0);
        match history.messages.first() {
            Some(event) => {
                let found = Arc::new(Message::of_event(event.clone()));
                let after = After { found: Some((finding, found)), ..After::default() };
                self.merge_history(room, history, after, Covers::Messages, (Goal::Errand, None));
            }
            None => self.reply(command, Err(Error::UnknownMessage(finding.message))),
        }
    }

    pub(crate) fn history_answered(
        &mut self,
        fetch: Fetch,
        answer: Result<Response, RequestError>,
    ) {
        if fetch.goal == Goal::Ahead {
            self.fetching.remove(&fetch.room);
        }
        match answer {
            Ok(_) if fetch.life != self.cache_life || !self.rooms.contains_key(&fetch.room) => {
                if let Some(command) = fetch.command {
                    self.reply(command, Err(Error::UnknownRoom(fetch.room)));
                }
            }
            Ok(Response::History(history)) if self.phase == Phase::Ready => {
                self.fetches.succeeded(fetch.room);
                self.read(Tier::Server, self.now.mono_ms - fetch.since);
                let reply = fetch.command.map(|command| (command, self.reply_of(&fetch, &history)));
                let covers =
                    if fetch.thread.is_some() { Covers::Messages } else { Covers::Everything };
                self.note_told(&fetch, &history);
                let after = After { reply, ..After::default() };
                self.merge_history(fetch.room, history, after, covers, (fetch.goal, fetch.thread));
            }
            Ok(_) => {
                if let Some(command) = fetch.command {
                    let error = self.store_told.clone().unwrap_or(StoreError::Superseded);
                    self.reply(command, Err(Error::Store(error)));
                }
            }
            Err(error) => match (fetch.command, &error) {
                (Some(command), _) => self.history_failed(command, fetch.goal, error.into()),
                (None, RequestError::Network(_)) => self.http_failed(&error),
                (None, RequestError::Refused(refused)) => {
                    let (of, now) = ((fetch.room, fetch.thread), self.now.mono_ms);
                    self.fetches.refused(of, refused, now, &mut self.rng);
                }
            },
        }
    }

    /// What a page says of a thread moves when it is taken, as the held ranges do, so that it is not
    /// fetched again.
    fn note_told(&mut self, fetch: &Fetch, history: &History) {
        if let (Some(root), Some((from, to))) = (fetch.thread, history.covers) {
            for (_, window) in self.windows.of_mut(fetch.room) {
                if window.of == Of::Thread(root) {
                    window.set_told(from, to);
                }
            }
        }
    }

    /// There is no page for whoever waits for one.
    pub(crate) fn history_failed(&mut self, command: CommandId, goal: Goal, error: Error) {
        let said_no = matches!(&error, Error::Refused(refused) if !refused.temporary);
        if said_no || !self.opens_here(goal, command) {
            self.reply(command, Err(error));
        }
    }

    /// Where the server says nothing, a timeline opens with the little that is here. Gives whether there
    /// is anything.
    fn opens_here(&mut self, goal: Goal, command: CommandId) -> bool {
        let Goal::Open(key, timeline) = goal else { return false };
        let ready = !self.rests() && self.phase == Phase::Ready;
        let Some(room) = self.rooms.get(&key.room).filter(|_| ready) else { return false };
        let Some(window) = self.windows.get_mut(key) else { return false };
        let Start::Server(seq) = window.start else { return false };
        if !room.held.contains(seq) {
            return false;
        }
        window.start = Start::Around(seq);
        window.waiting.push((command, timeline));
        self.fill(key);
        true
    }

    /// What the app hears once the page is on disk.
    fn reply_of(&self, fetch: &Fetch, history: &History) -> Reply {
        if let Goal::Open(..) = fetch.goal {
            return Reply::Opened;
        }
        let newer = matches!(fetch.goal, Goal::Grow(_, Side::Newer) | Goal::Gap(_, Side::Newer));
        let passed = self.rooms.get(&fetch.room).map_or(Seq::ZERO, |room| room.feed_seq);
        let bottom = match fetch.goal {
            Goal::Grow(key, _) | Goal::Gap(key, _) => {
                self.windows.get(key).map(|window| window.bottom(history.first_seq))
            }
            _ => None,
        };
        let bottom = bottom.unwrap_or(history.first_seq);
        Reply::Loaded(Loaded {
            added: history.messages.len(),
            tier: Tier::Server,
            more: history.covers.is_some_and(|(from, to)| match newer {
                true => to < passed,
                false => from > bottom,
            }),
        })
    }

    /// A page of history is on disk.
    pub(crate) fn show_page(&mut self, page: Page) {
        let max = self.config.max_messages_per_room;
        let Page { room, from, to, messages, goal, thread } = page;
        if let Goal::Open(key, timeline) = goal
            && self.windows.get(key).is_some_and(|window| !window.loaded)
        {
            self.begin_window(key, &messages, from, to);
            self.attach(timeline, key);
        }
        for (key, window) in self.windows.of_mut(room) {
            window.look_for_quotes_again();
            if !window.loaded {
                continue;
            }
            match goal {
                Goal::Grow(at, Side::Older)
                    if at == *key && window.oldest().is_none_or(|oldest| to.next() >= oldest) =>
                {
                    window.grew = Side::Older;
                    window.extend_older(&messages, from.max(window.bottom(Seq::ZERO)));
                }
                Goal::Grow(at, Side::Newer) if at == *key && from <= window.end().next() => {
                    window.grew = Side::Newer;
                    window.extend_newer(&messages, to);
                }
                Goal::Gap(at, side) if at == *key => {
                    window.grew = side;
                    window.fill(&messages);
                }
                // A window that has moved on meanwhile would get a hole that nobody sees.
                _ if thread == window.of.thread() && window.wants_page(from, to) => {
                    window.extend_older(&messages, from.max(window.bottom(Seq::ZERO)));
                }
                _ => drop(window.fill(&messages)),
            }
            window.slide(max);
        }
    }
}

impl Of {
    /// The message whose thread it is.
    pub(crate) fn thread(self) -> Option<EventId> {
        match self {
            Of::Room => None,
            Of::Thread(root) => Some(root),
        }
    }
}

impl Window {
    /// Whether a page that nobody asked for makes it whole: it follows the newest and has less than
    /// a page.
    fn wants_page(&self, from: Seq, to: Seq) -> bool {
        self.is_live()
            && self.len() < defaults::TIMELINE_PAGE
            && self.oldest().is_none_or(|oldest| from < oldest && to.next() >= oldest)
    }
}
