//! Tells those who watch closely that something is about to happen: a `tracing` event at level `TRACE` with
//! the target `tidewire::step`, before each thing that the engine asked for, before each outcome and
//! frame that it hears of, and on the store's thread after each transaction. Tests kill the process there.

/// What is about to happen, in a word.
pub(crate) fn tell(what: &'static str) {
    tracing::trace!(target: "tidewire::step", what);
}
