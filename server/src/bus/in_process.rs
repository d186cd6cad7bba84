//! The doorbell of a single process.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use super::{Bell, Bus, GOSSIP, Gossip};
use crate::store::Ords;

/// The doorbell of a single process.
pub(crate) struct InProcess {
    told: watch::Sender<Ords>,
    gossip: broadcast::Sender<Arc<Gossip>>,
}

impl InProcess {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            told: watch::Sender::new(Ords::zero(shards)),
            gossip: broadcast::Sender::new(GOSSIP),
        }
    }

    /// Another end of the same: what the tests of several instances run over without Redis.
    #[cfg(test)]
    pub(crate) fn beside(&self) -> Self {
        Self { told: self.told.clone(), gossip: self.gossip.clone() }
    }
}

impl Bus for InProcess {
    fn ring(&self, shard: usize, head: u64) {
        self.told.send_if_modified(|told| {
            let news = head > told.get(shard);
            told.raise(shard, head);
            news
        });
    }

    /// There are no others.
    fn is_up(&self) -> bool {
        true
    }

    fn subscribe(&self) -> Bell {
        self.told.subscribe()
    }

    fn tell(&self, gossip: Gossip) {
        // An error means that nobody listens.
        let _ = self.gossip.send(Arc::new(gossip));
    }

    fn hear(&self) -> broadcast::Receiver<Arc<Gossip>> {
        self.gossip.subscribe()
    }

    fn is_shared(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::conformance;

    #[tokio::test]
    async fn the_in_process_bus_keeps_the_promises_of_the_trait() {
        conformance::suite(|shards| Arc::new(InProcess::new(shards))).await;
        let one = Arc::new(InProcess::new(1));
        conformance::gossip(&one, &Arc::new(one.beside())).await;
    }
}
