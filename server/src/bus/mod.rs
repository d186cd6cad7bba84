//! How instances tell each other that there is something new. `trait Bus` is a doorbell and never
//! the truth: a bell may be lost or ring twice, and nothing here knows what stands in the log. It also carries gossip,
//! of which the same is true.

#[cfg(test)]
pub(crate) mod conformance;
mod gossip;
mod in_process;
mod redis;

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use crate::store::Ords;

pub(crate) use self::redis::{Address as RedisAddress, RedisBus};
pub(crate) use gossip::Gossip;
pub(crate) use in_process::InProcess;

/// Hears the bell: holds the highest head of each shard that was told. Bells between two looks
/// become one, the last is never lost.
pub(crate) type Bell = watch::Receiver<Ords>;

/// Tellings that may wait for a listener.
const GOSSIP: usize = 1_024;

/// The doorbell.
pub(crate) trait Bus: Send + Sync + 'static {
    /// Tells everybody that `shard` has events up to `head`. Never waits. Heard on this instance
    /// when it returns.
    fn ring(&self, shard: usize, head: u64);

    /// Whether the bells of other instances are heard at once.
    fn is_up(&self) -> bool;

    /// Hears every bell from now on, and what was told last.
    fn subscribe(&self) -> Bell;

    /// Tells the other instances. Never waits; what cannot be told now is dropped.
    fn tell(&self, gossip: Gossip);

    /// Hears what is told from now on, also by this instance itself. Who does not keep up misses some.
    fn hear(&self) -> broadcast::Receiver<Arc<Gossip>>;

    /// Whether there may be other instances.
    fn is_shared(&self) -> bool;
}
