//! Every operation, killed at each of its steps, and with each of its answers harmed.

use std::path::Path;

use tidewire::Mode;
use tidewire::simulation::{Broken, Harm, Profile};

use super::life::{ADA, Scene};
use super::power::Loss;
use super::promises::Act;

/// How long an operation is watched, in ms: in polling a read and what follows from it.
const WATCHED: u64 = 6_000;

/// One case of a sweep.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What the user does.
    pub act: Act,
    /// Where the client stands.
    pub mode: Mode,
    /// Whether the message that the act is about waits to be sent, because there was no network.
    pub waiting: bool,
}

impl Case {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let modes = [Mode::RealTime, Mode::Hybrid, Mode::Polling];
        let cases = Act::ALL.into_iter().flat_map(|act| {
            let waits = matches!(act, Act::Edit | Act::Delete | Act::Cancel | Act::React);
            let waiting = if waits { &[false, true][..] } else { &[false][..] };
            modes.into_iter().flat_map(move |mode| {
                waiting.iter().map(move |waiting| Self { act, mode, waiting: *waiting })
            })
        });
        cases.collect()
    }
}

/// What happens to a case.
#[derive(Debug, Clone, Copy)]
pub enum Blow {
    /// Nothing: its steps and answers are counted.
    None,
    /// The process dies at this step of it.
    Death(u64, Loss),
    /// This answer of those that it brings.
    Harm(u64, Harm),
}

/// What a case went through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passed {
    /// Steps, as far as it was watched.
    pub steps: u64,
    /// Answers and frames.
    pub answers: u64,
    /// Whether the blow fell.
    pub hit: bool,
}

/// Runs a case. Its files are in `folder`.
///
/// # Errors
/// The first promise that was broken.
pub fn run(case: Case, blow: Blow, seed: u64, folder: &Path) -> Result<Passed, Broken> {
    let mut scene = Scene::begin(seed, folder, Profile::good());
    scene.simulation.client(ADA).ceiling(case.mode);
    scene.simulation.client(ADA).open(scene.room);
    scene.simulation.run_for(3_000);
    scene.act(Act::Send);
    scene.act(Act::Send);
    scene.simulation.run_for(6_000);
    if matches!(case.act, Act::Retry | Act::Discard) {
        scene.refuse(case.mode, false);
    }
    if case.waiting {
        scene.simulation.client(ADA).ceiling(Mode::Offline);
        scene.act(Act::Send);
        scene.simulation.run_for(500);
    }
    let steps = scene.simulation.client(ADA).look().steps;
    let answers = scene.simulation.client(ADA).answers();
    match blow {
        Blow::None => {}
        Blow::Death(step, loss) => {
            scene.switch.set(loss);
            scene.simulation.client(ADA).die_at(step);
        }
        Blow::Harm(nth, harm) => scene.simulation.client(ADA).harm_answer(nth, harm),
    }
    scene.act(case.act);
    if case.waiting {
        scene.simulation.run_for(200);
        scene.simulation.client(ADA).ceiling(case.mode);
    }
    scene.simulation.run_for(WATCHED);
    let passed = Passed {
        steps: scene.simulation.client(ADA).look().steps - steps,
        answers: scene.simulation.client(ADA).answers() - answers,
        hit: match blow {
            Blow::None => true,
            Blow::Death(..) => scene.simulation.client(ADA).live_on(),
            Blow::Harm(..) => scene.simulation.counts().harmed > 0,
        },
    };
    scene.act(Act::Send);
    scene
        .end(&mut fastrand::Rng::with_seed(seed))
        .map_err(|broken| Broken(format!("{case:?}, {blow:?}: {broken}")))?;
    Ok(passed)
}
