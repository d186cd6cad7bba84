//! The crash matrix, as much of it as fits into a test; `cargo xtask bench crash` runs all of it.

use tidewire_bench::crash::{Case, Tally, lives, sweeps};

/// Lives, unless `TIDEWIRE_CRASH_SEEDS=n` says how many; `TIDEWIRE_CRASH_SEED=n` runs that one.
const SEEDS: u64 = 100;

/// Lives in which something was lost once: settings of which the last was not told, two edits in the wrong order.
const MET_BEFORE: [u64; 5] = [61, 218, 284, 778, 953];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn kept(tally: &Tally) {
    let told: Vec<String> = tally.broken.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} of {} runs:\n{}", told.len(), tally.runs, told.join("\n"));
}

#[test]
fn killed_at_any_step_of_any_operation_a_client_loses_repeats_and_reorders_nothing() {
    let tally = sweeps(&Case::all(), number("TIDEWIRE_CRASH_THIN").unwrap_or(3)).unwrap();
    kept(&tally);
    assert!(tally.deaths > 250 && tally.harmed > 40, "{tally:?}");
}

#[test]
fn whatever_dies_and_whatever_is_lost_on_the_way_everything_arrives_once_and_in_order() {
    let seeds = match number("TIDEWIRE_CRASH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEWIRE_CRASH_SEEDS").unwrap_or(SEEDS),
    };
    let count = seeds.end - seeds.start;
    for seed in MET_BEFORE.into_iter().filter(|seed| count >= SEEDS && !seeds.contains(seed)) {
        kept(&lives(seed..seed + 1).unwrap());
    }
    let tally = lives(seeds).unwrap();
    kept(&tally);
    let faults = [tally.deaths, tally.harmed, tally.failed_commits, tally.refused];
    let happens = count < SEEDS || faults.iter().all(|fault| *fault > count / 2);
    assert!(happens, "every fault happens: {tally:?}");
}
