//! More messages of a timeline: older ones, newer ones, those of a gap. From the disk as far as they are held
//! without a hole, else from the server.

use std::sync::Arc;

use tidewire_protocol::{EventId, HistoryAnchor, RoomId, Seq, limits};

use super::history::Goal;
use super::message::Message;
use super::window::{END, Of, Side, Window};
use super::windows::WindowKey;
use crate::defaults;
use crate::engine::command::{GapSide, Loaded, Reply};
use crate::engine::disk::loads::{Asked, LoadPurpose, Step};
use crate::engine::effect::{CommandId, TimelineId};
use crate::engine::query::Query;
use crate::engine::rooms::room::Room;
use crate::engine::stats::Tier;
use crate::engine::time::Timer;
use crate::engine::{Engine, Phase};
use crate::error::Error;

/// What an open window lacks.
#[derive(Debug)]
struct Lack {
    anchor: HistoryAnchor,
    limit: usize,
    thread: Option<EventId>,
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
            let goal = Goal::Grow(key, Side::Older, limit);
            let anchor = HistoryAnchor::Before(before);
            let limit = ahead(limit, thread);
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
            let goal = Goal::Grow(key, Side::Newer, limit);
            let thread = self.windows.get(key).and_then(|window| window.of.thread());
            let anchor = HistoryAnchor::After(after);
            let limit = ahead(limit, thread);
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
            let free = |room: &&Room| room.state.joined && !self.fetching.contains(&id);
            let Some(room) = self.rooms.get(&id).filter(free) else { continue };
            if let Some(Lack { anchor, limit, thread }) = self.lacking_of(id, room) {
                self.fetching.insert(id);
                self.fetch_history(id, anchor, limit, None, Goal::Ahead, thread);
            } else if let Some(quote) = self.lacking_quote(id) {
                self.fetching.insert(id);
                self.fetch_quote(id, quote);
            }
        }
    }

    fn lacking_of(&self, id: RoomId, room: &Room) -> Option<Lack> {
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

    /// A message that is quoted in an open window of the room and is not on this device.
    fn lacking_quote(&self, id: RoomId) -> Option<EventId> {
        let now = self.now.mono_ms;
        let windows = self.windows.of(id).map(|(_, window)| window);
        let mut quotes = windows.filter(|window| window.loaded).flat_map(Window::lacks_quotes);
        quotes.find(|quote| self.fetches.may_quote(id, *quote, now))
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
}

/// How many messages the server is asked for where so many are shown: who goes on scrolling finds the next
/// page on the disk.
fn ahead(limit: usize, thread: Option<EventId>) -> usize {
    match thread {
        None => (limit * defaults::PAGES_AT_ONCE).min(limits::HISTORY_MAX),
        Some(_) => limit,
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
