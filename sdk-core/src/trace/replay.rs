//! Gives an engine what another one was given, and compares what both decided.

use std::io::{self, BufRead};

use super::{Header, Line, Recording, VERSION, decision};
use crate::engine::{Engine, Input, Now};

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Inputs that were given.
    pub inputs: u64,
    /// Decisions that were compared.
    pub decisions: u64,
    /// The first one that differs. Nothing behind it was looked at.
    pub difference: Option<Difference>,
    /// How the recording ended, as its client wrote: `closed`, `too_large` (its limit was reached),
    /// `too_slow` or `failed` (the disk). None if the client was killed, or still runs.
    pub end: Option<String>,
    /// Whether the texts of messages are in it.
    pub holds: Recording,
}

/// A decision that differs from what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The line of the recording, from 1 on.
    pub line: u64,
    /// What was recorded; none if nothing was.
    pub recorded: Option<String>,
    /// What is decided now; none if nothing is.
    pub now: Option<String>,
}

/// Why a recording can not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It can not be read.
    #[error("line {line} can not be read: {error}")]
    Unreadable {
        /// The line, from 1 on.
        line: u64,
        /// What the system says.
        error: io::Error,
    },
    /// It is something else.
    #[error("line 1 is not the first line of a recording of Tidewire: {reason}")]
    Foreign {
        /// What is wrong with it.
        reason: String,
    },
    /// Another version of the SDK wrote it.
    #[error("line 1 says version {found}, this program reads version {known}")]
    Version {
        /// The version found.
        found: u32,
        /// The one that is known.
        known: u32,
    },
    /// A line is not of a recording.
    #[error("line {line} is not of a recording: {reason}")]
    Broken {
        /// The line, from 1 on.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It ends in the middle of a line. What stands before that was replayed.
    #[error(
        "line {line} is cut off, the rest is missing: all {} decisions before it are the same as recorded",
        before.decisions
    )]
    CutOff {
        /// The line, from 1 on.
        line: u64,
        /// What the lines before it came to.
        before: Replayed,
    },
}

/// Replays a recording. `tell` hears each input (`<`) and each decision (`>`), one line each.
///
/// # Errors
/// [`TraceError`], with the line.
pub fn replay(
    mut recording: impl BufRead,
    mut tell: impl FnMut(&str),
) -> Result<Replayed, TraceError> {
    let mut number = 0;
    let first = next_line(&mut recording, &mut number)?.unwrap_or_default();
    let header = header(&first)?;
    let mut now = header.now;
    let mut engine = Engine::new(header.config, header.seed, now).with_point(header.point);
    let mut replayed =
        Replayed { inputs: 0, decisions: 0, difference: None, end: None, holds: header.holds };
    while let Some(text) = next_line(&mut recording, &mut number)? {
        if !text.ends_with('\n') {
            return Err(TraceError::CutOff { line: number, before: replayed });
        }
        let broken = |reason: String| TraceError::Broken { line: number, reason };
        let line: Line = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        match line {
            Line { input: Some(input), at: (mono_ms, wall_ms), .. } => {
                if mono_ms < now.mono_ms {
                    return Err(broken("time goes back".into()));
                }
                now = Now { mono_ms, wall_ms };
                tell(&format!("{number:>7} {:>10} ms < {}", mono_ms, of_input(&input)));
                replayed.inputs += 1;
                engine.handle(now, input);
            }
            Line { out: Some(recorded), .. } => {
                let decided = next_decision(&mut engine);
                replayed.decisions += 1;
                if decided.as_ref() != Some(&recorded) {
                    let recorded = Some(recorded);
                    replayed.difference = Some(Difference { line: number, recorded, now: decided });
                    return Ok(replayed);
                }
                tell(&format!("{number:>7} {:>10} ms > {recorded}", now.mono_ms));
            }
            Line { end: Some(end), .. } => {
                // The client has asked for everything that the engine had decided until then.
                let decided = next_decision(&mut engine);
                if decided.is_some() && end == "closed" {
                    let difference = Difference { line: number, recorded: None, now: decided };
                    replayed.difference = Some(difference);
                }
                replayed.end = Some(end);
                return Ok(replayed);
            }
            _ => return Err(broken("it holds neither an input nor a decision".into())),
        }
    }
    Ok(replayed)
}

/// The next decision of those that are recorded.
fn next_decision(engine: &mut Engine) -> Option<String> {
    std::iter::from_fn(|| engine.poll_effect()).find_map(|effect| decision::decision(&effect))
}

fn next_line(recording: &mut impl BufRead, number: &mut u64) -> Result<Option<String>, TraceError> {
    let mut text = String::new();
    *number += 1;
    let line = *number;
    match recording.read_line(&mut text) {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(TraceError::Unreadable { line, error }),
    }
}

fn header(text: &str) -> Result<Header, TraceError> {
    #[derive(serde::Deserialize)]
    struct Version {
        tidewire_recording: u32,
    }
    let foreign = |error: serde_json::Error| TraceError::Foreign { reason: error.to_string() };
    let Version { tidewire_recording: found } = serde_json::from_str(text).map_err(foreign)?;
    if found != VERSION {
        return Err(TraceError::Version { found, known: VERSION });
    }
    let header: Header = serde_json::from_str(text).map_err(foreign)?;
    let valid = header.config.validate();
    valid.map_err(|error| TraceError::Foreign { reason: error.to_string() })?;
    Ok(header)
}

/// What an input is, in short.
fn of_input(input: &Input) -> String {
    let mut text = format!("{input:?}");
    // Pages are long, and what they hold shows in what is decided.
    const MOST: usize = 160;
    if text.len() > MOST {
        let end = (0..=MOST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}
