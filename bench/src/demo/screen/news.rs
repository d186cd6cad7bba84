//! What the screen is told, in its own words: everything that a recording has to hold.

use serde::{Deserialize, Serialize};
use tidewire::{EventId, Mode, RoomId};

use super::clean::clean;
use super::mark::Mark;

/// Something that the screen shows has changed. Each takes the place of the last one of its kind,
/// but for modes, latencies, notices and seconds, which are a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum News {
    /// The rooms, in the order shown.
    Rooms(Vec<RoomLine>),
    /// What one room's timeline shows.
    Timeline {
        room: RoomId,
        lines: Vec<Line>,
        /// Whether there are older messages.
        more: bool,
    },
    /// The mode or its reason.
    Mode {
        mode: Mode,
        reason: String,
    },
    /// A message took so long: from `send` to its seq if it is the user's own, else to this screen.
    Latency {
        own: bool,
        ms: u64,
    },
    Cost(Cost),
    Around(Around),
    /// Something else that a person should know.
    Notice(String),
    /// A second has passed.
    Second,
}

/// A room in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoomLine {
    pub(crate) id: RoomId,
    pub(crate) name: String,
    pub(crate) members: u32,
    /// Its newest message.
    pub(crate) last: String,
    /// Operations in the outbox.
    pub(crate) pending: usize,
    /// What the server counted as unread, as of when it last told the room's state.
    pub(crate) unread: Option<u32>,
}

/// A row of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    Message(Said),
    /// Something that nobody said.
    Note(String),
    /// Messages that exist and are not here.
    Gap {
        from: u64,
        to: u64,
    },
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) id: EventId,
    pub(crate) sender: String,
    pub(crate) own: bool,
    pub(crate) text: String,
    pub(crate) mark: Mark,
    /// Seconds since the start of the demo.
    pub(crate) at_s: u64,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
}

/// What the client has cost so far: its own counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) wakeups: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) last_tier: Option<String>,
}

/// What surrounds the client: the crowd, its network, its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Around {
    /// Simulated users who are here.
    pub(crate) here: usize,
    /// Those asked for: they come and go in steps.
    pub(crate) wanted: usize,
    pub(crate) cut: bool,
    pub(crate) lossy: bool,
    pub(crate) slow: bool,
    pub(crate) background: bool,
    pub(crate) server: bool,
}

/// Clients beside the simulated ones: the person's and the host's.
const OTHERS: usize = 2;

impl Around {
    /// Clients that run.
    pub(crate) fn online(&self) -> usize {
        self.here + OTHERS
    }

    /// Clients that will run.
    pub(crate) fn expected(&self) -> usize {
        self.wanted + OTHERS
    }
}

impl Default for Around {
    fn default() -> Self {
        Self {
            here: 0,
            wanted: 0,
            cut: false,
            lossy: false,
            slow: false,
            background: false,
            server: true,
        }
    }
}

impl News {
    /// The same with every text harmless.
    pub(crate) fn cleaned(mut self) -> Self {
        let wash = |text: &mut String| *text = clean(text);
        match &mut self {
            News::Rooms(rooms) => {
                for room in rooms {
                    wash(&mut room.name);
                    wash(&mut room.last);
                }
            }
            News::Timeline { lines, .. } => {
                for line in lines {
                    match line {
                        Line::Message(said) => {
                            wash(&mut said.sender);
                            wash(&mut said.text);
                            said.failed.iter_mut().for_each(wash);
                        }
                        Line::Note(text) => wash(text),
                        Line::Gap { .. } => {}
                    }
                }
            }
            News::Mode { reason: text, .. } | News::Notice(text) => wash(text),
            News::Cost(cost) => cost.last_tier.iter_mut().for_each(wash),
            News::Latency { .. } | News::Around(_) | News::Second => {}
        }
        self
    }
}
