//! When an event has reached a client's store, as the client's trace tells.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The target of the client's trace.
const TARGET: &str = "tidewire::stored";

/// When which user's store had which event, both as text.
type Moments = HashMap<(String, String), Instant>;

fn moments() -> MutexGuard<'static, Moments> {
    static MOMENTS: OnceLock<Mutex<Moments>> = OnceLock::new();
    MOMENTS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens from now on. Once a process.
pub(super) fn listen() {
    static LISTENING: OnceLock<bool> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let filter = tracing_subscriber::filter::filter_fn(|data| data.target() == TARGET);
        let listener = tracing_subscriber::registry().with(Listener.with_filter(filter));
        // Somebody else listens already: then there is nothing to measure, which will show.
        tracing::subscriber::set_global_default(listener).is_ok()
    });
}

/// Everything heard so far.
pub(super) fn take() -> Moments {
    std::mem::take(&mut moments())
}

struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = Instant::now();
        let mut fields = Fields::default();
        event.record(&mut fields);
        moments().entry((fields.user, fields.id)).or_insert(now);
    }
}

#[derive(Default)]
struct Fields {
    user: String,
    id: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "user" => self.user = format!("{value:?}"),
            "id" => self.id = format!("{value:?}"),
            _ => {}
        }
    }
}
