//! The doorbell of a single process.

use tokio::sync::watch;

use super::{Bell, Bus};
use crate::store::Ords;

/// The doorbell of a single process.
pub(crate) struct InProcess {
    told: watch::Sender<Ords>,
}

impl InProcess {
    pub(crate) fn new(shards: usize) -> Self {
        Self { told: watch::Sender::new(Ords::zero(shards)) }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::conformance;

    #[tokio::test]
    async fn the_in_process_bus_keeps_the_promises_of_the_trait() {
        conformance::suite(|shards| std::sync::Arc::new(InProcess::new(shards))).await;
    }
}
