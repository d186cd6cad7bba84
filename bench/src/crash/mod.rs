//! `bench crash`: the process of a client is killed at every step of every operation, with and without a
//! power failure, and every answer is harmed in every way. Under a virtual clock, on real files. The
//! tests run a part of it.

mod life;
mod power;
mod promises;
mod sweep;

use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use tidewire::simulation::{Broken, Counts, Harm};

use crate::figures::{Figures, Goal};
pub use life::run as live;
pub use power::{Loss, PowerDisk, Switch};
pub use promises::{Act, Promises};
pub use sweep::{Blow, Case, Passed, run as sweep};

/// What was done, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Lives, or cases.
    pub runs: u64,
    /// Processes that died.
    pub deaths: u64,
    /// Answers and frames that were harmed.
    pub harmed: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Requests that the server refused for want of time.
    pub refused: u64,
    /// Restarts of the server.
    pub server_restarts: u64,
    /// The promises that were broken, with their seeds.
    pub broken: Vec<Broken>,
}

impl Tally {
    fn count(&mut self, counts: &Counts) {
        self.deaths += counts.client_restarts;
        self.harmed += counts.harmed;
        self.failed_commits += counts.failed_commits;
        self.refused += counts.refused;
        self.server_restarts += counts.server_restarts;
    }
}

/// Lives of these seeds.
///
/// # Errors
/// When there is no place for files.
pub fn lives(seeds: Range<u64>) -> std::io::Result<Tally> {
    let jobs: Vec<u64> = seeds.collect();
    each(&jobs, |seed, folder, tally| match live(*seed, folder) {
        Ok(counts) => tally.count(&counts),
        Err(broken) => tally.broken.push(broken),
    })
}

/// Cases, each killed at its steps and with its answers harmed. `thin` is 1 for every step with every
/// loss and every answer with every harm; with more of it each step has one of the losses and each answer
/// one of the harms, and of these only one in `thin` - 1 is taken.
///
/// # Errors
/// When there is no place for files.
pub fn sweeps(cases: &[Case], thin: u64) -> std::io::Result<Tally> {
    let harms = [Harm::Drop, Harm::Delay(4_000), Harm::Repeat, Harm::Truncate];
    let jobs: Vec<(u64, Case)> = (0..).zip(cases.iter().copied()).collect();
    each(&jobs, |(number, case), folder, tally| {
        let dry = match sweep(*case, Blow::None, 1, &folder.join("dry")) {
            Ok(passed) => passed,
            Err(broken) => return tally.broken.push(broken),
        };
        let mut blows = Vec::new();
        for step in 1..=dry.steps {
            blows.extend(
                Loss::ALL.into_iter().zip(step..).map(|(loss, n)| (n, Blow::Death(step, loss))),
            );
        }
        for answer in 1..=dry.answers {
            blows.extend(
                harms.into_iter().zip(answer..).map(|(harm, n)| (n, Blow::Harm(answer, harm))),
            );
        }
        let chosen = |(n, blow): &(u64, Blow)| match blow {
            _ if thin == 1 => true,
            Blow::Death(step, _) => n % 3 == 0 && (step + number) % (thin - 1) == 0,
            Blow::Harm(answer, _) => n % 4 == 0 && (answer + number) % (thin - 1) == 0,
            Blow::None => false,
        };
        for (at, (_, blow)) in blows.into_iter().filter(chosen).enumerate() {
            let folder = folder.join(at.to_string());
            match sweep(*case, blow, 1, &folder) {
                Ok(passed) => {
                    let died = matches!(blow, Blow::Death(..));
                    tally.deaths += u64::from(passed.hit && died);
                    tally.harmed += u64::from(passed.hit && !died);
                }
                Err(broken) => tally.broken.push(broken),
            }
            tally.runs += 1;
            let _ = std::fs::remove_dir_all(folder);
        }
        tally.runs -= 1;
    })
}

/// Files of no size, written very often: what a disk would have lost is reckoned, not tried.
fn place() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(folder) = tempfile::tempdir_in(memory)
    {
        return Ok(folder);
    }
    tempfile::tempdir()
}

/// Does all jobs, on all cores, each in a folder of its own.
fn each<J: Sync>(jobs: &[J], job: impl Fn(&J, &Path, &mut Tally) + Sync) -> std::io::Result<Tally> {
    let total = Mutex::new(Tally::default());
    let next = AtomicU64::new(0);
    let work = || -> std::io::Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = usize::try_from(at).ok().and_then(|at| jobs.get(at)) else {
                return Ok(());
            };
            let folder = place()?;
            let mut tally = Tally { runs: 1, ..Tally::default() };
            job(one, folder.path(), &mut tally);
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.runs += tally.runs;
            total.deaths += tally.deaths;
            total.harmed += tally.harmed;
            total.failed_commits += tally.failed_commits;
            total.refused += tally.refused;
            total.server_restarts += tally.server_restarts;
            total.broken.extend(tally.broken);
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Lives, each from a seed of its own.
    pub seeds: u64,
    /// See [`sweeps`].
    pub thin: u64,
}

/// What the figures are of.
pub fn setting(plan: Plan) -> String {
    format!(
        "Simulated clients on real files against a model of the server, under a virtual clock. Every operation ({} of \
         them) in three modes, killed at its steps, alone, between the two files and with the power; every answer \
         dropped, late, twice and cut off. {} lives in which all of that happens by chance, with server restarts, \
         429s, 503s and failing commits.",
        Act::ALL.len(),
        plan.seeds
    )
}

/// Runs the plan, and tells what was broken to the standard error.
///
/// # Errors
/// When there is no place for files.
pub fn run(plan: Plan) -> std::io::Result<Figures> {
    let mut figures = Figures::default();
    let mut broken = 0;
    for (name, tally) in
        [("sweep", sweeps(&Case::all(), plan.thin)?), ("lives", lives(0..plan.seeds)?)]
    {
        for one in &tally.broken {
            eprintln!("{one}");
        }
        broken += tally.broken.len();
        let mut put = |figure: &str, value: u64| {
            figures.put(format!("{name}.{figure}"), value as f64, "", Goal::None);
        };
        put("runs", tally.runs);
        put("deaths", tally.deaths);
        put("answers_harmed", tally.harmed);
        put("commits_failed", tally.failed_commits);
        put("refused", tally.refused);
        put("server_restarts", tally.server_restarts);
    }
    // Lost, repeated, out of order or stuck.
    figures.put("broken_promises", broken as f64, "", Goal::AtMost(0.0));
    Ok(figures)
}
