//! The process kills itself at a step of the client's: for tests of what a crash leaves behind.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Steps that are left; 0 if there is no end.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// Listens to the client's steps from now on.
pub(crate) fn listen() {
    // Nobody else listens in this process.
    let _ = tracing::subscriber::set_global_default(Steps);
}

/// Whether the process is about to be killed: nothing goes on then.
static DOOMED: AtomicBool = AtomicBool::new(false);

/// The process dies at the `step`th step from now on; with 0 it lives on, unless it is too late.
pub(crate) fn die_at(step: u64) {
    stay_if_doomed();
    LEFT.store(step, Ordering::SeqCst);
}

fn stay_if_doomed() {
    while DOOMED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

struct Steps;

impl Subscriber for Steps {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tidewire::step"
    }

    fn event(&self, _: &Event<'_>) {
        stay_if_doomed();
        let count = |left: u64| left.checked_sub(1);
        if LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1) {
            DOOMED.store(true, Ordering::SeqCst);
            let kill = ["-KILL", &std::process::id().to_string()];
            let killed = Command::new("kill").args(kill).stdout(Stdio::null()).status();
            // Where there is no such program, this is as sudden.
            eprintln!("{killed:?}");
            std::process::abort();
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
