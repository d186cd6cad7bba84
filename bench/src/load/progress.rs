//! How far a run is: a bar on a terminal, a line every ten seconds elsewhere.

use std::io::Write;
use std::time::Duration;

use super::report::Second;

/// Characters of the bar.
const WIDTH: usize = 24;

/// Seconds between two lines where there is no terminal.
const LINES: u64 = 10;

/// How far a run is, told to the standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    tells: bool,
    terminal: bool,
    told: Option<u64>,
}

impl Progress {
    pub(crate) fn new(tells: bool, terminal: bool) -> Self {
        Self { tells, terminal, told: None }
    }

    pub(crate) fn gathering(&mut self, ready: usize, users: usize) {
        if self.terminal {
            let share = ready as f64 / users.max(1) as f64;
            self.line(&format!("{} {ready} of {users} users are there", bar(share)));
        }
    }

    pub(crate) fn second(&mut self, second: &Second, time: Duration) {
        let (at, of) = (second.at.as_secs(), time.as_secs());
        let line = format!(
            "{} {at} of {of} s · {} here · {}/s sent · {}/s heard · p99 {} ms",
            bar(second.at.as_secs_f64() / time.as_secs_f64()),
            second.here.values().sum::<usize>(),
            second.sent,
            second.heard,
            second.p99,
        );
        if self.terminal || self.told != Some(at / LINES) {
            self.told = Some(at / LINES);
            self.line(&line);
        }
    }

    pub(crate) fn settling(&mut self, pending: u64) {
        if self.terminal {
            self.line(&format!("{} {pending} messages are still on their way", bar(1.0)));
        }
    }

    pub(crate) fn done(&mut self) {
        if self.tells && self.terminal {
            eprint!("\r\x1b[K");
        }
    }

    fn line(&self, text: &str) {
        if !self.tells {
            return;
        }
        let mut error = std::io::stderr();
        // Who reads it no more misses nothing.
        let _ = match self.terminal {
            true => write!(error, "\r\x1b[K{text}").and_then(|()| error.flush()),
            false => writeln!(error, "{text}"),
        };
    }
}

fn bar(share: f64) -> String {
    let full = ((share.clamp(0.0, 1.0)) * WIDTH as f64).round() as usize;
    format!("[{}{}]", "#".repeat(full), "-".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_full_as_the_time_has_passed() {
        assert_eq!(bar(0.0), format!("[{}]", "-".repeat(24)));
        assert_eq!(bar(0.5), format!("[{}{}]", "#".repeat(12), "-".repeat(12)));
        assert_eq!(bar(7.0), format!("[{}]", "#".repeat(24)));
    }
}
