//! What is loaded from the disk, and what for.

use std::sync::Arc;

use tidewire_protocol::{Event, EventId, Op, RoomId, Seq};

use super::search::{Indexing, Searching};
use crate::config::millis;
use crate::defaults;
use crate::engine::command::Command;
use crate::engine::effect::{CommandId, Effect, Notice, Problem, StoreToken, TimelineId};
use crate::engine::outbox::Outbox;
use crate::engine::query::{Query, Rows, StartRows};
use crate::engine::rooms::heads::Entry;
use crate::engine::rooms::room::Room;
use crate::engine::rooms::unread::Tail;
use crate::engine::stats::Tier;
use crate::engine::time::Now;
use crate::engine::timeline::message::Message;
use crate::engine::timeline::opening::Finding;
use crate::engine::timeline::window::{END, Start};
use crate::engine::timeline::windows::WindowKey;
use crate::engine::{Engine, Phase};
use crate::error::{Error, StoreError};

/// What is being loaded from the disk.
#[derive(Debug)]
pub(crate) enum LoadPurpose {
    Start,
    /// How far the members of all rooms are, behind it: those up to this room, or of one before its turn.
    Receipts(Option<RoomId>),
    /// The first messages of a window: from where on and up to where they are whole.
    Window {
        key: WindowKey,
        from: Seq,
        through: Seq,
        since: u64,
    },
    /// All messages of a window, after the store had failed.
    Again {
        key: WindowKey,
        from: Seq,
    },
    /// More messages of a window.
    Step {
        key: WindowKey,
        step: Step,
        asked: Option<Asked>,
        since: u64,
    },
    /// A message that a timeline is to open at.
    Find(Finding),
    /// What is unread of rooms with many messages.
    Tails,
    Profiles,
    /// Messages that somebody looks for.
    Search(Searching),
    /// What the search index does not have yet.
    Unindexed,
    /// A message that somebody asks about.
    Why(CommandId, RoomId, EventId),
    /// Messages that are quoted in a window.
    Quotes(WindowKey, Vec<EventId>),
    /// The message that an operation is to change.
    Target(CommandId, RoomId, Box<Op>),
    /// How large the cache is.
    Sizes,
    /// The same, for the app.
    Report(CommandId),
}

/// Where a window grows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Before this place; from `start` on everything is held.
    Older { before: Seq, start: Seq, limit: usize },
    /// After this place; through that one everything is held.
    Newer { after: Seq, through: Seq, limit: usize },
}

/// Who asked for more messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) command: CommandId,
    pub(crate) timeline: TimelineId,
    pub(crate) count: usize,
}

/// The messages of stored events.
pub(crate) fn messages(events: Vec<Event>) -> Vec<Arc<Message>> {
    events.into_iter().map(|event| Message::of_event(event).into()).collect()
}

impl Engine {
    /// The store's answer to a query.
    pub fn handle_loaded(&mut self, now: Now, token: StoreToken, rows: Rows) {
        self.now = now;
        match (self.loads.remove(&token), rows) {
            (Some(LoadPurpose::Start), Rows::Start(rows)) => self.started(*rows),
            (Some(LoadPurpose::Receipts(last)), Rows::Receipts(some)) => {
                self.receipts_loaded(last, some);
            }
            (Some(LoadPurpose::Window { key, from, through, since }), Rows::Events(events)) => {
                // With nothing there the server is asked next.
                if !events.is_empty() {
                    self.read(Tier::Disk, now.mono_ms - since);
                }
                self.window_loaded(key, (from, through), messages(events));
            }
            (Some(LoadPurpose::Again { key, from }), Rows::Events(events)) => {
                let full = events.len() >= self.config.max_messages_per_room;
                let first = events.first().map(|event| event.seq).filter(|_| full);
                if let Some(window) = self.windows.get_mut(key) {
                    window.replace(&messages(events), first.unwrap_or(from));
                }
            }
            (Some(LoadPurpose::Step { key, step, asked, since }), Rows::Events(events)) => {
                self.read(Tier::Disk, now.mono_ms - since);
                self.step_loaded(key, step, asked, messages(events));
            }
            (Some(LoadPurpose::Find(finding)), Rows::Events(events)) => {
                match messages(events).into_iter().next() {
                    Some(message) => self.found(finding, message),
                    None => self.find_on_server(finding),
                }
            }
            (Some(LoadPurpose::Search(searching)), Rows::Search(rows)) => {
                self.searched(searching, *rows);
            }
            (Some(LoadPurpose::Unindexed), Rows::Unindexed(rooms)) => {
                self.unindexed_loaded(!rooms.is_empty());
            }
            (Some(LoadPurpose::Tails), Rows::Tails(tails)) => self.tails_loaded(tails),
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
            (Some(LoadPurpose::Quotes(key, ids)), Rows::Events(events)) => {
                if let Some(window) = self.windows.get_mut(key) {
                    window.quotes_found(&ids, &messages(events));
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
            // The next start asks for them again.
            Some(LoadPurpose::Receipts(_)) => self.store_failed(error),
            // Mended at the next start, which loads all windows too.
            Some(LoadPurpose::Window { .. } | LoadPurpose::Again { .. })
                if matches!(error, StoreError::Damaged { .. } | StoreError::Superseded) =>
            {
                self.store_failed(error);
            }
            Some(LoadPurpose::Window { key, .. } | LoadPurpose::Again { key, .. }) => {
                let waiting = self.windows.get_mut(key).map(|w| std::mem::take(&mut w.waiting));
                for (command, timeline) in waiting.into_iter().flatten() {
                    self.reply(command, Err(Error::Store(error.clone())));
                    self.close_timeline(timeline);
                }
                // Somebody still looks at it: it is loaded again with everything else.
                if self.windows.get(key).is_some() {
                    self.store_failed(error);
                }
            }
            Some(LoadPurpose::Step { key, asked, .. }) => {
                if let Some(window) = self.windows.get_mut(key) {
                    window.joining = false;
                }
                match asked {
                    Some(asked) => self.load_refused(asked.command, error),
                    None => self.damage_found(error),
                }
            }
            Some(LoadPurpose::Find(finding)) => self.load_refused(finding.command, error),
            Some(LoadPurpose::Search(searching)) => self.load_refused(searching.command, error),
            // The next start goes on with it.
            Some(LoadPurpose::Unindexed) => {
                self.unindexed_loaded(false);
                self.damage_found(error);
            }
            Some(LoadPurpose::Tails) => self.tails_not_loaded(error),
            Some(LoadPurpose::Profiles) => self.profiles_not_loaded(error),
            Some(LoadPurpose::Target(command, room, _)) => {
                self.load_refused(command, error);
                self.looked_up(room);
            }
            Some(LoadPurpose::Why(command, ..) | LoadPurpose::Report(command)) => {
                self.load_refused(command, error);
            }
            Some(LoadPurpose::Sizes) => {
                self.sizes_told(None);
                self.damage_found(error);
            }
            // They are asked for again when the window next changes.
            Some(LoadPurpose::Quotes(key, _)) => {
                if let Some(window) = self.windows.get_mut(key) {
                    window.quotes_not_found();
                }
                self.damage_found(error);
            }
            None => {}
        }
        self.advance();
    }

    fn load_refused(&mut self, command: CommandId, error: StoreError) {
        self.reply(command, Err(Error::Store(error.clone())));
        self.damage_found(error);
    }

    /// Where one query finds damage, nothing is read any more until it is mended.
    pub(crate) fn damage_found(&mut self, error: StoreError) {
        // Another one may have found it before.
        if matches!(error, StoreError::Damaged { .. } | StoreError::Superseded) {
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
        self.phase = Phase::Shown;
        self.loaded_once = true;
        self.rooms_known = rows.cursor.is_some();
        self.fetches.begin_anew();
        self.cursor = rows.cursor;
        self.queued_cursor_at = self.now.mono_ms;
        self.epoch = rows.epoch;
        let user = &self.config.user;
        self.heads.wipe();
        self.rooms.clear();
        self.owing.clear();
        for mut row in rows.rooms {
            let (id, tail) = (row.state.id, Tail::load(std::mem::take(&mut row.tail)));
            let room = Room::load(row, user);
            let entry = Entry::new(room.head(user), tail, room.marked);
            if entry.is_partial() {
                self.heads.partial.insert(id);
            }
            self.heads.rooms.insert(id, entry);
            self.heads.touch(id);
            if room.owes(user) {
                self.owing.insert(id);
            }
            self.rooms.insert(id, room);
        }
        self.heads.drafts = rows.drafts.into_iter().map(|draft| (draft.room, draft.text)).collect();
        self.heads.wishes =
            rows.wishes.into_iter().map(|wish| (wish.room, wish.settings)).collect();
        self.blocks.load(rows.blocks, rows.block_wishes);
        self.show_blocks();
        self.watching.again = true;
        let before = std::mem::take(&mut self.outbox);
        self.outbox = Outbox::load(rows.outbox).keep_pace(before);
        self.load_uploads();
        self.forget_retention();
        self.begin_tails();
        self.spare_from = self.now.mono_ms + millis(defaults::FIRST_SCREEN);
        if let Some(repair) = rows.repair {
            self.tiers.repair = Some(repair.clone());
            self.notify(Notice::Problem(Problem::Repaired(repair)));
        }
        self.indexing = if rows.unindexed { Indexing::Due } else { Indexing::Done };
        self.rooms_changed = true;
        self.poll_due = true;
        self.expire_outbox();
        self.load_receipts();
        self.reload_windows();
        self.run_deferred();
    }

    /// Does what was asked before enough was loaded for it, in its order.
    pub(crate) fn run_deferred(&mut self) {
        let mut deferred = std::mem::take(&mut self.deferred).into_iter();
        for (id, command) in deferred.by_ref() {
            if self.waits(&command) {
                self.deferred.push((id, command));
                break;
            }
            self.command(id, command);
        }
        self.deferred.extend(deferred);
    }

    /// Whether a command is of what has not been loaded yet.
    pub(crate) fn waits(&self, command: &Command) -> bool {
        match self.phase {
            Phase::Loading => true,
            // What a first screen is made of does not. Anything else may ask the server, whose answer would come too
            // early.
            Phase::Shown => !matches!(
                command,
                Command::OpenTimeline(..)
                    | Command::ResetTimeline(_)
                    | Command::CloseTimeline(_)
                    | Command::OpenRoomList(..)
                    | Command::ShowRooms { .. }
                    | Command::ResetRoomList(_)
                    | Command::CloseRoomList(_)
                    | Command::Send { .. }
            ),
            Phase::Ready | Phase::Failed => false,
        }
    }

    /// Fills all open windows anew from what is on disk once all that was given before is done.
    pub(crate) fn reload_windows(&mut self) {
        // Rows that are being loaded may be of before.
        let mut unanswered = Vec::new();
        let mut finding = Vec::new();
        self.loads.retain(|_, purpose| match purpose {
            LoadPurpose::Step { asked, .. } => {
                unanswered.extend(*asked);
                false
            }
            LoadPurpose::Find(one) => {
                finding.push(*one);
                false
            }
            // The windows ask for them anew.
            LoadPurpose::Quotes(..) | LoadPurpose::Window { .. } | LoadPurpose::Again { .. } => {
                false
            }
            LoadPurpose::Start
            | LoadPurpose::Receipts(_)
            | LoadPurpose::Tails
            | LoadPurpose::Profiles
            | LoadPurpose::Search(_)
            | LoadPurpose::Unindexed
            | LoadPurpose::Why(..)
            | LoadPurpose::Target(..)
            | LoadPurpose::Sizes
            | LoadPurpose::Report(_) => true,
        });
        for key in self.windows.keys() {
            self.reload(key);
        }
        for one in finding {
            self.find(one);
        }
        for asked in unanswered {
            self.ask_again(asked);
        }
    }

    /// Whether what a window shows is being read from the disk anew.
    pub(crate) fn is_reloading(&self, key: WindowKey) -> bool {
        let again = |purpose: &LoadPurpose| matches!(purpose, LoadPurpose::Again { key: of, .. } if *of == key);
        self.loads.values().any(again)
    }

    fn reload(&mut self, key: WindowKey) {
        let limit = self.config.max_messages_per_room;
        self.load_receipts_of(key.room);
        let Some(window) = self.windows.get_mut(key) else { return };
        window.joining = false;
        window.forget_told();
        let Some(from) = window.oldest().filter(|_| window.loaded) else {
            // What the server was asked for comes, or fails.
            if !matches!(window.start, Start::Server(_)) {
                self.fill(key);
            }
            return;
        };
        let (room, to) = (key.room, window.end());
        let query = match window.of {
            crate::engine::timeline::window::Of::Room => {
                Query::Before { room, before: to.next(), from, limit }
            }
            crate::engine::timeline::window::Of::Thread(root) => {
                Query::Thread { room, root, before: to.next(), limit }
            }
        };
        self.load(query, LoadPurpose::Again { key, from });
    }

    /// Asks the disk for the first messages of a window.
    pub(crate) fn fill(&mut self, key: WindowKey) {
        let (room, limit) = (key.room, defaults::TIMELINE_PAGE);
        let since = self.now.mono_ms;
        self.load_receipts_of(key.room);
        let Some(window) = self.windows.get(key) else { return };
        let whole = |seq| self.rooms.get(&room)?.held.range_of(seq);
        let (query, from, through) = match (window.of, window.start) {
            (crate::engine::timeline::window::Of::Thread(root), _) => {
                (Query::Thread { room, root, before: END, limit }, Seq::ZERO, END)
            }
            (_, Start::Around(seq)) if whole(seq).is_some() => {
                let (from, through) = whole(seq).unwrap_or_default();
                let (from, through) = (Seq::new(from), Seq::new(through));
                (Query::Around { room, seq, from, through, limit }, from, through)
            }
            _ => (Query::Newest { room, limit }, Seq::ZERO, END),
        };
        self.load(query, LoadPurpose::Window { key, from, through, since });
    }
}
