//! Pages of history: asked of the server, on their way to the disk, and shown.

use std::sync::Arc;

use tidewire_protocol::{EventId, History, HistoryAnchor, HistoryQuery, RoomId, Seq};

use super::message::Message;
use super::window::{Of, Side, Start, Window};
use super::windows::WindowKey;
use crate::defaults;
use crate::engine::command::{Loaded, Reply};
use crate::engine::disk::commit::After;
use crate::engine::effect::{CommandId, Request, RequestError, Response, TimelineId};
use crate::engine::feed::merge::Covers;
use crate::engine::stats::Tier;
use crate::engine::{Engine, Phase, Purpose};
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
    /// What comes before a window, or after it: so many messages of it are shown.
    Grow(WindowKey, Side, usize),
    /// What is missing within a window, read towards this side.
    Gap(WindowKey, Side),
    /// A message that is quoted in an open window.
    Quote(EventId),
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
    /// What was a hole before: it is held from when the page is taken, and shown once it is on disk.
    pub(crate) filled: Vec<(u64, u64)>,
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

    /// Asks for a message that is quoted in an open window, once.
    pub(crate) fn fetch_quote(&mut self, room: RoomId, id: EventId) {
        self.fetches.quote_asked(room, id);
        let (life, since) = (self.cache_life, self.now.mono_ms);
        let fetch = Fetch { room, command: None, goal: Goal::Quote(id), thread: None, life, since };
        self.request(Request::Message(room, id), Purpose::History(fetch));
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
        if let Goal::Ahead | Goal::Quote(_) = fetch.goal {
            self.fetching.remove(&fetch.room);
        }
        if let Goal::Quote(id) = fetch.goal
            && answer.is_err()
            && !matches!(&answer, Err(RequestError::Refused(error)) if !error.temporary)
        {
            self.fetches.quote_unanswered(fetch.room, id);
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
                let single = matches!(fetch.goal, Goal::Quote(_));
                let some = single || fetch.thread.is_some();
                let covers = if some { Covers::Messages } else { Covers::Everything };
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
                // There is no such message any more, which says nothing of the room.
                (None, RequestError::Refused(refused))
                    if matches!(fetch.goal, Goal::Quote(_)) && !refused.temporary => {}
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
        let Some(room) = self.rooms.get(&fetch.room) else { return };
        if let (Some(root), Some((from, to))) = (fetch.thread, history.covers) {
            for (_, window) in self.windows.of_mut(fetch.room) {
                if window.of == Of::Thread(root) {
                    window.set_told(from, to, &room.held);
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
        let ready = !self.rests() && self.shows();
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
        let newer = matches!(fetch.goal, Goal::Grow(_, Side::Newer, _) | Goal::Gap(_, Side::Newer));
        let passed = self.rooms.get(&fetch.room).map_or(Seq::ZERO, |room| room.feed_seq);
        let bottom = match fetch.goal {
            Goal::Grow(key, ..) | Goal::Gap(key, _) => {
                self.windows.get(key).map(|window| window.bottom(history.first_seq))
            }
            _ => None,
        };
        let bottom = bottom.unwrap_or(history.first_seq);
        let shown = match fetch.goal {
            Goal::Grow(_, _, shown) => history.messages.len().min(shown),
            _ => history.messages.len(),
        };
        let goes_on = history.covers.is_some_and(|(from, to)| match newer {
            true => to < passed,
            false => from > bottom,
        });
        Reply::Loaded(Loaded {
            added: shown,
            tier: Tier::Server,
            more: goes_on || shown < history.messages.len(),
        })
    }

    /// A page of history is on disk.
    pub(crate) fn show_page(&mut self, page: Page) {
        let max = self.config.max_messages_per_room;
        let Page { room, from, to, messages, goal, thread, .. } = page;
        if let Goal::Open(key, timeline) = goal
            && self.windows.get(key).is_some_and(|window| !window.loaded)
        {
            self.begin_window(key, &messages, from, to);
            self.attach(timeline, key);
        }
        for (key, window) in self.windows.of_mut(room) {
            window.look_for_quotes_again();
            if thread.is_some() && thread == window.of.thread() {
                window.set_arrived(from, to);
            }
            if !window.loaded {
                continue;
            }
            match goal {
                Goal::Grow(at, Side::Older, shown)
                    if at == *key && window.oldest().is_none_or(|oldest| to.next() >= oldest) =>
                {
                    let shown = &messages[messages.len().saturating_sub(shown)..];
                    let cut = shown.first().filter(|_| shown.len() < messages.len());
                    let from = cut.and_then(|first| first.seq).unwrap_or(from);
                    window.grew = Side::Older;
                    window.extend_older(shown, from.max(window.bottom(Seq::ZERO)));
                }
                Goal::Grow(at, Side::Newer, shown) if at == *key && from <= window.end().next() => {
                    let shown = &messages[..shown.min(messages.len())];
                    let cut = shown.last().filter(|_| shown.len() < messages.len());
                    window.grew = Side::Newer;
                    window.extend_newer(shown, cut.and_then(|last| last.seq).unwrap_or(to));
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

impl Window {
    /// Whether a page that nobody asked for makes it whole: it follows the newest and has less than
    /// a page.
    fn wants_page(&self, from: Seq, to: Seq) -> bool {
        self.is_live()
            && self.len() < defaults::TIMELINE_PAGE
            && self.oldest().is_none_or(|oldest| from < oldest && to.next() >= oldest)
    }
}
