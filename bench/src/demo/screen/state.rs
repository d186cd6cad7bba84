//! What the screen knows. Pure: news and actions in, wishes out, so that a recording of the former
//! makes the same screen again.

use std::collections::VecDeque;

use tidewire::{EventId, Mode, RoomId};

use super::clean::clean;
use super::keys::Action;
use super::news::{Around, Cost, Line, News, RoomLine, Said};

/// What has to be done in the world because of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    Open(RoomId),
    Send(RoomId, String),
    Crowd(usize),
    Cut(bool),
    Lossy(bool),
    Slow(bool),
    Background(bool),
    Server(bool),
    Fail(RoomId),
    Retry(RoomId, EventId),
    Discard(RoomId, EventId),
    Older,
    Quit,
}

/// Simulated users at most: what two cores carry beside the screen.
pub const MOST_USERS: usize = 1_000;
/// Notices kept.
const NOTICES: usize = 50;
/// Seconds that the charts go back.
const HISTORY: usize = 300;
/// Latencies that a moving median is of.
const SAMPLES: usize = 31;
/// How long a change of mode is told in large, in ms.
const TOAST_MS: u64 = 5_000;
/// Longest line that can be typed, in bytes: the wire's own limit.
const MOST_TEXT: usize = 8 * 1024;

/// The last latencies of one kind.
#[derive(Debug, Default, Clone)]
pub(crate) struct Latencies {
    samples: VecDeque<u64>,
}

impl Latencies {
    fn add(&mut self, ms: u64) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(ms);
    }

    /// The last one, in ms.
    pub(crate) fn last(&self) -> Option<u64> {
        self.samples.back().copied()
    }

    /// The median of the last [`SAMPLES`], in ms.
    pub(crate) fn p50(&self) -> Option<u64> {
        median(self.samples.iter().copied().collect())
    }
}

fn median(mut samples: Vec<u64>) -> Option<u64> {
    samples.sort_unstable();
    samples.get(samples.len().saturating_sub(1) / 2).copied()
}

/// A second of the charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) mode: Mode,
    /// The median of the messages that came in this second, in ms.
    pub(crate) latency: Option<u64>,
    pub(crate) online: usize,
}

/// Something that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) at_ms: u64,
    /// The mode, if it is of a change of mode.
    pub(crate) mode: Option<Mode>,
    pub(crate) text: String,
}

/// Everything that is drawn.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Since the start.
    pub(crate) now_ms: u64,
    pub(crate) rooms: Vec<RoomLine>,
    pub(crate) open: Option<RoomId>,
    pub(crate) timeline: Vec<Line>,
    pub(crate) more: bool,
    /// Rows below the lowest one shown.
    pub(crate) scroll: usize,
    pub(crate) mode: Option<Mode>,
    pub(crate) reason: String,
    pub(crate) own: Latencies,
    pub(crate) received: Latencies,
    pub(crate) cost: Cost,
    pub(crate) around: Around,
    /// The newest last.
    pub(crate) notices: VecDeque<Told>,
    pub(crate) columns: VecDeque<Column>,
    pub(crate) commanding: bool,
    pub(crate) text: String,
    this_second: Vec<u64>,
    /// Wanted by the last keystroke: several in a row add up before the crowd follows.
    asked: Option<usize>,
}

impl State {
    /// Takes news.
    pub(crate) fn apply(&mut self, now_ms: u64, news: News) {
        self.now_ms = now_ms;
        match news.cleaned() {
            News::Rooms(rooms) => {
                self.open = self.open.or(rooms.first().map(|room| room.id));
                self.rooms = rooms;
            }
            News::Timeline { room, lines, more } => {
                if self.open == Some(room) {
                    // Who reads older rows goes on reading them.
                    if self.scroll > 0 {
                        self.scroll += lines.len().saturating_sub(self.timeline.len());
                    }
                    self.timeline = lines;
                    self.more = more;
                    self.clamp_scroll();
                }
            }
            News::Mode { mode, reason } => {
                if self.mode.replace(mode) != Some(mode) {
                    self.tell(Some(mode), reason.clone());
                }
                self.reason = reason;
            }
            News::Latency { own, ms } => {
                if own { &mut self.own } else { &mut self.received }.add(ms);
                self.this_second.push(ms);
            }
            News::Cost(cost) => self.cost = cost,
            News::Around(around) => {
                self.asked = self.asked.filter(|asked| *asked != around.wanted);
                self.around = around;
            }
            News::Notice(text) => self.tell(None, text),
            News::Second => self.second(),
        }
    }

    /// Does what an action does to the screen, and gives what it asks of the world.
    pub(crate) fn act(&mut self, action: Action) -> Option<Wish> {
        match action {
            Action::Insert(text) => {
                let text = clean(&text);
                if !self.commanding && self.text.len() + text.len() <= MOST_TEXT {
                    self.text.push_str(&text);
                }
                None
            }
            Action::Erase => {
                self.text.pop();
                None
            }
            Action::Escape => {
                self.commanding = !self.commanding;
                None
            }
            Action::Enter if self.commanding => {
                self.commanding = false;
                None
            }
            Action::Enter if self.text.trim().is_empty() => None,
            Action::Enter => {
                let room = self.open?;
                self.scroll = 0;
                Some(Wish::Send(room, std::mem::take(&mut self.text)))
            }
            Action::NextRoom => self.open_next(1),
            Action::PreviousRoom => self.open_next(self.rooms.len().saturating_sub(1)),
            Action::ScrollUp => {
                self.scroll += 5;
                self.clamp_scroll();
                None
            }
            Action::ScrollDown => {
                self.scroll = self.scroll.saturating_sub(5);
                None
            }
            Action::More(users) => self.crowd(self.wanted().saturating_add(users)),
            Action::Fewer(users) => self.crowd(self.wanted().saturating_sub(users)),
            Action::Crowd(users) => self.crowd(users),
            Action::CutNetwork => Some(Wish::Cut(!self.around.cut)),
            Action::LosePackets => Some(Wish::Lossy(!self.around.lossy)),
            Action::Slow => Some(Wish::Slow(!self.around.slow)),
            Action::Background => Some(Wish::Background(!self.around.background)),
            Action::Server => Some(Wish::Server(!self.around.server)),
            Action::Fail => self.open.map(Wish::Fail),
            Action::Retry => self.failed().and_then(|id| Some(Wish::Retry(self.open?, id))),
            Action::Discard => self.failed().and_then(|id| Some(Wish::Discard(self.open?, id))),
            Action::Older => {
                self.scroll = self.timeline.len().saturating_sub(1);
                Some(Wish::Older)
            }
            Action::Quit => Some(Wish::Quit),
        }
    }

    /// The last change of mode, while it is fresh.
    pub(crate) fn toast(&self) -> Option<&Told> {
        let last = self.notices.iter().rev().find(|told| told.mode.is_some())?;
        (self.now_ms < last.at_ms + TOAST_MS).then_some(last)
    }

    /// The open room.
    pub(crate) fn room(&self) -> Option<&RoomLine> {
        self.rooms.iter().find(|room| Some(room.id) == self.open)
    }

    /// The first failed message of the open room: it is the one that holds the others.
    fn failed(&self) -> Option<EventId> {
        self.timeline.iter().find_map(|line| match line {
            Line::Message(Said { id, failed: Some(_), .. }) => Some(*id),
            _ => None,
        })
    }

    fn open_next(&mut self, step: usize) -> Option<Wish> {
        let now = self.rooms.iter().position(|room| Some(room.id) == self.open)?;
        let next = self.rooms[(now + step) % self.rooms.len()].id;
        if self.open.replace(next) == Some(next) {
            return None;
        }
        self.timeline.clear();
        self.scroll = 0;
        Some(Wish::Open(next))
    }

    fn wanted(&self) -> usize {
        self.asked.unwrap_or(self.around.wanted)
    }

    fn crowd(&mut self, users: usize) -> Option<Wish> {
        let users = users.min(MOST_USERS);
        self.asked = Some(users);
        Some(Wish::Crowd(users))
    }

    fn clamp_scroll(&mut self) {
        self.scroll = self.scroll.min(self.timeline.len().saturating_sub(1));
    }

    fn tell(&mut self, mode: Option<Mode>, text: String) {
        if self.notices.len() == NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(Told { at_ms: self.now_ms, mode, text });
    }

    fn second(&mut self) {
        let Some(mode) = self.mode else { return };
        if self.columns.len() == HISTORY {
            self.columns.pop_front();
        }
        let latency = median(std::mem::take(&mut self.this_second));
        self.columns.push_back(Column { mode, latency, online: self.around.online() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::mark::Mark;
    use super::super::sample::{message, room, rooms};
    use super::*;

    fn told(state: &State) -> Vec<(Option<Mode>, &str)> {
        state.notices.iter().map(|told| (told.mode, told.text.as_str())).collect()
    }

    #[test]
    fn a_change_of_mode_is_a_notice_and_a_toast_and_a_change_of_reason_alone_is_none() {
        let mut state = State::default();
        let mode = |mode, reason: &str| News::Mode { mode, reason: reason.into() };
        state.apply(0, mode(Mode::Hybrid, "60 users are online"));
        state.apply(10, mode(Mode::Hybrid, "61 users are online"));
        assert_eq!(told(&state), [(Some(Mode::Hybrid), "60 users are online")]);
        assert_eq!(state.reason, "61 users are online");
        assert!(state.toast().is_some());
        state.apply(TOAST_MS, News::Second);
        assert!(state.toast().is_none());
    }

    #[test]
    fn a_line_is_sent_to_the_open_room_and_nothing_is_no_line() {
        let mut state = State::default();
        state.apply(0, News::Rooms(rooms(3)));
        assert_eq!(state.act(Action::Enter), None);
        assert_eq!(state.act(Action::Insert("hi\u{1b}[A".into())), None);
        assert_eq!(state.act(Action::Enter), Some(Wish::Send(room(0), "hi·[A".into())));
        assert_eq!(state.text, "");
        assert_eq!(state.act(Action::PreviousRoom), Some(Wish::Open(room(2))));
        assert_eq!(state.act(Action::NextRoom), Some(Wish::Open(room(0))));
    }

    #[test]
    fn hundreds_add_up_before_the_crowd_has_followed_and_stay_within_bounds() {
        let mut state = State::default();
        assert_eq!(state.act(Action::More(100)), Some(Wish::Crowd(100)));
        assert_eq!(state.act(Action::More(100)), Some(Wish::Crowd(200)));
        assert_eq!(state.act(Action::Fewer(500)), Some(Wish::Crowd(0)));
        assert_eq!(state.act(Action::More(usize::MAX)), Some(Wish::Crowd(MOST_USERS)));
    }

    #[test]
    fn retry_and_discard_are_of_the_first_failed_message_and_of_nothing_else() {
        let mut state = State::default();
        state.apply(0, News::Rooms(rooms(1)));
        assert_eq!(state.act(Action::Retry), None);
        let lines = [Mark::Check, Mark::Alert, Mark::Alert].into_iter().enumerate();
        let lines: Vec<Line> = lines.map(|(n, mark)| message(n, mark, "text")).collect();
        let Line::Message(first) = lines[1].clone() else { unreachable!() };
        state.apply(0, News::Timeline { room: room(0), lines, more: false });
        assert_eq!(state.act(Action::Retry), Some(Wish::Retry(room(0), first.id)));
        assert_eq!(state.act(Action::Discard), Some(Wish::Discard(room(0), first.id)));
    }

    #[test]
    fn a_late_timeline_of_another_room_is_not_shown() {
        let mut state = State::default();
        state.apply(0, News::Rooms(rooms(2)));
        let lines = vec![message(0, Mark::Check, "late")];
        state.apply(0, News::Timeline { room: room(1), lines, more: false });
        assert!(state.timeline.is_empty());
    }

    #[test]
    fn who_reads_older_rows_stays_there_while_new_ones_come() {
        let mut state = State::default();
        state.apply(0, News::Rooms(rooms(1)));
        let lines = |n| (0..n).map(|n| message(n, Mark::Check, "text")).collect();
        state.apply(0, News::Timeline { room: room(0), lines: lines(20), more: false });
        state.act(Action::ScrollUp);
        state.apply(0, News::Timeline { room: room(0), lines: lines(23), more: false });
        assert_eq!(state.scroll, 8);
        for _ in 0..9 {
            state.act(Action::ScrollUp);
        }
        assert_eq!(state.scroll, 22, "the oldest row stays in sight");
    }

    #[test]
    fn the_median_moves_with_the_last_messages_and_a_second_keeps_its_own() {
        let mut state = State::default();
        state.apply(0, News::Mode { mode: Mode::RealTime, reason: String::new() });
        for ms in [5, 1_000, 7] {
            state.apply(0, News::Latency { own: true, ms });
        }
        state.apply(0, News::Second);
        state.apply(0, News::Second);
        assert_eq!((state.own.last(), state.own.p50()), (Some(7), Some(7)));
        let latencies: Vec<Option<u64>> = state.columns.iter().map(|c| c.latency).collect();
        assert_eq!(latencies, [Some(7), None]);
        for _ in 0..SAMPLES {
            state.apply(0, News::Latency { own: true, ms: 50 });
        }
        assert_eq!(state.own.p50(), Some(50));
    }
}
