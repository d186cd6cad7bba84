//! A recording: the inputs of a state with their times, and the moments worth a picture. What was
//! replaced before anybody looked is left out, so that it stays small.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::keys::Action;
use super::news::News;
use super::state::State;
use crate::demo::Error;

/// Rows of a timeline that are kept: more than a picture shows.
const ROWS: usize = 40;

/// One input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    News(News),
    Action(Action),
    /// Nothing happens, and somebody looks.
    Picture(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Timed {
    at_ms: u64,
    #[serde(flatten)]
    step: Step,
}

/// All inputs of one run, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Recording {
    steps: Vec<Timed>,
}

impl Recording {
    pub(super) fn add(&mut self, at_ms: u64, step: Step) {
        self.steps.push(Timed { at_ms, step });
    }

    /// Goes through the run again, and looks at each picture.
    pub(super) fn replay(&self, mut look: impl FnMut(&str, &State)) -> State {
        let mut state = State::default();
        for Timed { at_ms, step } in &self.steps {
            match step {
                Step::News(news) => state.apply(*at_ms, news.clone()),
                Step::Action(action) => drop(state.act(action.clone())),
                Step::Picture(name) => {
                    state.now_ms = *at_ms;
                    look(name, &state);
                }
            }
        }
        state
    }

    /// The same without what no picture shows: news that others replaced in time, rows far above
    /// the newest ones, and what came after the last picture.
    pub(super) fn thinned(&self) -> Self {
        let mut replaced = HashSet::new();
        let mut seen = false;
        let mut kept: Vec<Timed> = Vec::new();
        for timed in self.steps.iter().rev() {
            match &timed.step {
                Step::Picture(_) => {
                    replaced.clear();
                    seen = true;
                }
                // Which room comes next depends on those before it.
                Step::Action(Action::NextRoom | Action::PreviousRoom) => replaced.clear(),
                Step::News(news @ (News::Rooms(_) | News::Timeline { .. } | News::Cost(_)))
                    if !replaced.insert(std::mem::discriminant(news)) =>
                {
                    continue;
                }
                _ => {}
            }
            if seen {
                kept.push(timed.clone());
            }
        }
        kept.reverse();
        for timed in &mut kept {
            if let Step::News(News::Timeline { lines, more, .. }) = &mut timed.step
                && lines.len() > ROWS
            {
                lines.drain(..lines.len() - ROWS);
                *more = true;
            }
        }
        Self { steps: kept }
    }

    /// Reads a recording.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text)
    }

    /// Reads a recording's text.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { steps: serde_json::from_str(text)? })
    }

    /// The recording as JSON, one step a line, so that two can be compared.
    pub(super) fn text(&self) -> Result<String, Error> {
        let lines: Result<Vec<String>, _> = self.steps.iter().map(serde_json::to_string).collect();
        Ok(format!("[\n{}\n]\n", lines?.join(",\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::mark::Mark;
    use super::super::sample::{message, room, rooms};
    use super::*;

    #[test]
    fn a_thinned_recording_shows_the_same_pictures_and_survives_its_file() {
        let mut recording = Recording::default();
        let timeline = |count| News::Timeline {
            room: room(0),
            lines: (0..count).map(|n| message(n, Mark::Check, "text")).collect(),
            more: false,
        };
        for n in 1..4 {
            recording.add(n, Step::News(News::Rooms(rooms(2))));
            recording.add(n, Step::News(timeline(n as usize)));
            recording.add(n, Step::News(timeline(2 * n as usize)));
            recording.add(n, Step::Action(Action::Insert("é".into())));
            recording.add(n, Step::News(News::Rooms(rooms(2 + n as usize))));
            recording.add(n, Step::Action(Action::PreviousRoom));
            recording.add(n, Step::News(News::Rooms(rooms(2))));
            if n != 2 {
                recording.add(n + 1, Step::Picture(format!("{n}")));
            }
        }
        recording.add(9, Step::News(News::Second));
        let thin = recording.thinned();
        assert!(thin.steps.len() < recording.steps.len());
        let looks = |recording: &Recording| {
            let mut looks = Vec::new();
            recording.replay(|name, state| looks.push((name.to_owned(), format!("{state:?}"))));
            looks
        };
        assert_eq!(looks(&recording), looks(&thin));
        assert_eq!(Recording::parse(&thin.text().unwrap()).unwrap(), thin);
    }
}
