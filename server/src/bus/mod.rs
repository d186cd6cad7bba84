//! How instances tell each other that there is something new. `trait Bus` is a doorbell and never
//! the truth: a bell may be lost or ring twice, and nothing here knows what stands in the log.

#[cfg(test)]
pub(crate) mod conformance;
mod in_process;
mod redis;

use tokio::sync::watch;

use crate::store::Ords;

pub(crate) use self::redis::RedisBus;
pub(crate) use in_process::InProcess;

/// Hears the bell: holds the highest head of each shard that was told. Bells between two looks
/// become one, the last is never lost.
pub(crate) type Bell = watch::Receiver<Ords>;

/// The doorbell.
pub(crate) trait Bus: Send + Sync + 'static {
    /// Tells everybody that `shard` has events up to `head`. Never waits. Heard on this instance
    /// when it returns.
    fn ring(&self, shard: usize, head: u64);

    /// Whether the bells of other instances are heard at once.
    fn is_up(&self) -> bool;

    /// Hears every bell from now on, and what was told last.
    fn subscribe(&self) -> Bell;
}
