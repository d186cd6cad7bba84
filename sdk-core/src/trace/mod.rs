//! Recordings: what a client's engine was given and what it decided, one JSON object a line, so that
//! the same can be gone through again, step by step, on another machine.
//!
//! The first line says what the engine began with. Each input of the engine is a line, and each decision that came of
//! it. Decisions are short texts that hold no names; inputs are the engine's own
//! [`Input`]s, without the texts and names of people unless they were asked
//! for ([`Recording`]). The last line says how the recording ended, if the client could write it.

mod decision;
mod redact;
mod replay;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::engine::{Effect, Engine, Input, Now, TokenError};

pub(crate) use redact::Redactor;
pub use replay::{Difference, Replayed, TraceError, replay};

/// What a recording holds. Tokens are never in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recording {
    /// In place of the content of events there is something of the same length and shape, and names
    /// of users, rooms and the like are replaced, each by the same one throughout. Ids of rooms and
    /// messages, seqs, times and kinds stay.
    #[default]
    Redacted,
    /// Everything as it was, the texts of all messages among it. For developers' own accounts.
    Verbatim,
}

/// The version of the form that this SDK writes and reads.
const VERSION: u32 = 2;

/// The first line: what an engine needs to begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    tidewire_recording: u32,
    sdk: String,
    holds: Recording,
    seed: u64,
    /// Where the user stands in policies.
    point: f64,
    now: Now,
    config: Config,
}

/// An input, and when it came.
#[derive(Debug, Serialize)]
struct InputLine<'a> {
    /// Monotonic and wall clock, in ms.
    at: (u64, i64),
    #[serde(rename = "in")]
    input: &'a Input,
}

/// Any line but the first, as it is read.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    at: (u64, i64),
    #[serde(rename = "in")]
    input: Option<Input>,
    out: Option<String>,
    end: Option<String>,
}

/// Makes lines of what happens to one engine.
#[derive(Debug)]
pub(crate) struct Scribe {
    redactor: Option<Redactor>,
}

/// Where a client that is recorded stands in policies: so coarse that it does not tell who it is
/// among thousands, though it follows from the name.
pub(crate) fn coarse(point: f64) -> f64 {
    (point * 256.0).floor() / 256.0
}

impl Scribe {
    /// `salt` makes the pseudonyms of this recording its own; it is written nowhere.
    pub(crate) fn new(recording: Recording, salt: u64) -> Self {
        let redactor = (recording == Recording::Redacted).then(|| Redactor::new(salt));
        Self { redactor }
    }

    /// The first line of an engine that is at its beginning.
    pub(crate) fn header(&self, engine: &Engine, config: &Config, seed: u64, now: Now) -> String {
        let holds = match self.redactor {
            Some(_) => Recording::Redacted,
            None => Recording::Verbatim,
        };
        self.line(&Header {
            tidewire_recording: VERSION,
            sdk: env!("CARGO_PKG_VERSION").into(),
            holds,
            seed,
            point: engine.point(),
            now,
            config: config.clone(),
        })
    }

    pub(crate) fn input(&self, now: Now, input: &Input) -> String {
        let at = (now.mono_ms, now.wall_ms);
        // What an app says of its tokens may hold one.
        let kept = Input::Token(Err(TokenError(String::new())));
        let input = if matches!(input, Input::Token(Err(_))) { &kept } else { input };
        self.line(&InputLine { at, input })
    }

    /// A decision; nothing of one that is not recorded.
    pub(crate) fn decision(&self, effect: &Effect) -> String {
        #[derive(Serialize)]
        struct Decision {
            out: String,
        }
        decision::decision(effect).map_or_else(String::new, |out| line_of(&Decision { out }))
    }

    /// The last line.
    pub(crate) fn end(&self, why: &str) -> String {
        #[derive(Serialize)]
        struct End<'a> {
            end: &'a str,
        }
        line_of(&End { end: why })
    }

    fn line(&self, value: &impl Serialize) -> String {
        let line = line_of(value);
        match &self.redactor {
            Some(redactor) => redactor.redact(&line),
            None => line,
        }
    }
}

fn line_of(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).unwrap_or_else(|error| {
        // A map whose keys are no text: there is none among the inputs.
        tracing::error!(%error, "an input can not be recorded");
        "{}".into()
    });
    line.push('\n');
    line
}

/// A recording in memory, for tests.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Tape {
    scribe: Scribe,
    pub(crate) text: String,
}

#[cfg(test)]
impl Tape {
    pub(crate) fn new(recording: Recording) -> Self {
        Self { scribe: Scribe::new(recording, 42), text: String::new() }
    }

    pub(crate) fn begin(&mut self, engine: &Engine, config: &Config, seed: u64, now: Now) {
        self.text = self.scribe.header(engine, config, seed, now);
    }

    pub(crate) fn input(&mut self, now: Now, input: &Input) {
        self.text += &self.scribe.input(now, input);
    }

    pub(crate) fn decision(&mut self, effect: &Effect) {
        self.text += &self.scribe.decision(effect);
    }

    pub(crate) fn end(&mut self, why: &str) {
        self.text += &self.scribe.end(why);
    }
}
