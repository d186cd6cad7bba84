//! A list of steps, one after the other, and the table of what became of them.

use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// With something worth telling.
    PassedWith(String),
    Failed(String),
    /// It could not be run here.
    Skipped(String),
}

/// The steps so far.
pub(crate) struct Steps {
    /// Whether a skipped step counts as failed.
    strict: bool,
    done: Vec<(&'static str, Outcome, Duration)>,
}

impl Steps {
    pub(crate) fn new(strict: bool) -> Self {
        Self { strict, done: Vec::new() }
    }

    /// Runs a step of our own.
    pub(crate) fn check(&mut self, name: &'static str, check: impl FnOnce() -> Outcome) {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = check();
        match &outcome {
            Outcome::Passed => {}
            Outcome::PassedWith(text) | Outcome::Failed(text) => println!("{text}"),
            Outcome::Skipped(why) => println!("skipped: {why}"),
        }
        let took = start.elapsed();
        println!("== {name}: {} in {}", word(&outcome), seconds(took));
        self.done.push((name, outcome, took));
    }

    /// Runs a command as a step. Its output goes straight through.
    pub(crate) fn run(&mut self, name: &'static str, mut command: Command) {
        self.check(name, || {
            println!("{}", line_of(&command));
            match command.status() {
                Ok(status) if status.success() => Outcome::Passed,
                Ok(status) => Outcome::Failed(status.to_string()),
                Err(error) => Outcome::Failed(format!("it could not be started: {error}")),
            }
        });
    }

    /// Prints the table and the closing line.
    pub(crate) fn close(self) -> ExitCode {
        print!("{}", self.table());
        if self.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn failed(&self) -> usize {
        let failed = |outcome: &Outcome| match outcome {
            Outcome::Passed | Outcome::PassedWith(_) => false,
            Outcome::Failed(_) => true,
            Outcome::Skipped(_) => self.strict,
        };
        self.done.iter().filter(|(_, outcome, _)| failed(outcome)).count()
    }

    fn table(&self) -> String {
        let mut table = String::from("\n");
        for (name, outcome, took) in &self.done {
            let why = match outcome {
                Outcome::Passed => "",
                // The whole text stands above, where the step ran.
                Outcome::PassedWith(text) | Outcome::Failed(text) | Outcome::Skipped(text) => {
                    text.lines().next().unwrap_or("")
                }
            };
            let line = format!("{:<8}{name:<12}{:>10}  {why}", word(outcome), seconds(*took));
            // Writing into a string cannot fail.
            let _ = writeln!(table, "{}", line.trim_end());
        }
        let count = |wanted: &str| self.done.iter().filter(|(_, o, _)| word(o) == wanted).count();
        let took: Duration = self.done.iter().map(|(_, _, took)| took).sum();
        let skipped = match count("skipped") {
            0 => String::new(),
            skipped if self.strict => format!(" ({skipped} of them skipped)"),
            skipped => format!(", {skipped} skipped"),
        };
        let (passed, failed) = (count("passed"), self.failed());
        let _ = writeln!(
            table,
            "\nsteps: {passed} passed, {failed} failed{skipped}, in {}",
            seconds(took)
        );
        table
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed | Outcome::PassedWith(_) => "passed",
        Outcome::Failed(_) => "FAILED",
        Outcome::Skipped(_) => "skipped",
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// The command as it would be typed.
fn line_of(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let _ = write!(line, "{}='{}' ", name.display(), value.display());
        }
    }
    line.push_str("cargo");
    for arg in command.get_args() {
        let _ = write!(line, " {}", arg.display());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(strict: bool, outcomes: &[Outcome]) -> Steps {
        let mut steps = Steps::new(strict);
        for outcome in outcomes {
            steps.check("a step", || outcome.clone());
        }
        steps
    }

    #[test]
    fn a_failed_step_fails_the_run_and_is_named_with_its_reason() {
        let steps = with(false, &[Outcome::Passed, Outcome::Failed("exit status: 3".into())]);
        assert_eq!(steps.failed(), 1);
        assert!(steps.table().contains("FAILED  a step"));
        assert!(steps.table().contains("exit status: 3"));
        assert!(steps.table().contains("steps: 1 passed, 1 failed, in"));
    }

    #[test]
    fn a_skipped_step_is_told_and_fails_only_where_nothing_may_be_skipped() {
        let outcomes = [Outcome::Passed, Outcome::Skipped("no clippy".into())];
        let lenient = with(false, &outcomes);
        assert_eq!(lenient.failed(), 0);
        assert!(lenient.table().contains("1 passed, 0 failed, 1 skipped"));
        let strict = with(true, &outcomes);
        assert_eq!(strict.failed(), 1);
        assert!(strict.table().contains("1 passed, 1 failed (1 of them skipped)"));
    }

    #[test]
    fn what_a_passed_step_tells_stands_in_the_table() {
        let steps = with(true, &[Outcome::PassedWith("34 tests".into())]);
        assert_eq!(steps.failed(), 0);
        assert!(steps.table().contains("34 tests"));
        assert!(steps.table().contains("1 passed, 0 failed"));
    }

    #[test]
    fn a_command_that_does_not_exist_fails_its_step() {
        let mut steps = Steps::new(false);
        steps.run("a step", Command::new("/nonexistent/program"));
        assert_eq!(steps.failed(), 1);
    }
}
