//! Parts of files on their way to the store.

use super::happening::Happening;
use super::network::{Harm, chance};
use super::simulation::Simulation;
use crate::engine::{PartNews, PartPut, RequestId};

impl Simulation {
    pub(super) fn send_part(&mut self, node: usize, id: RequestId, put: PartPut) {
        let net = self.nodes[node].net;
        let bytes = match self.nodes[node].client.part(&put) {
            Ok(bytes) => bytes,
            Err(trouble) => {
                let news = PartNews::Copy(trouble);
                return self.after(0, Happening::PartAnswered { node, net, id, news });
            }
        };
        self.counts.part_bytes += put.length;
        let lost = chance(&mut self.rng, self.nodes[node].network.loss) || !self.passes(node);
        if lost {
            self.counts.lost += 1;
            let wait = self.rng.u64(0..=3_000);
            let news = PartNews::Trouble("lost".into());
            self.after(wait, Happening::PartAnswered { node, net, id, news });
            if self.rng.bool() || !self.passes(node) {
                return;
            }
        } else if self.rng.bool() {
            let news = PartNews::Sent(put.length / 2);
            self.after(0, Happening::PartAnswered { node, net, id, news });
        }
        let wait = self.nodes[node].network.delay(&mut self.rng);
        let put = Box::new(put);
        self.after(wait, Happening::PartArrives { node, net, id, put, bytes, heard: !lost });
    }

    pub(super) fn part_arrives(
        &mut self,
        node: usize,
        net: u32,
        id: RequestId,
        put: PartPut,
        bytes: &[u8],
        heard: bool,
    ) {
        let news = if self.now < self.down_until {
            PartNews::Trouble("refused".into())
        } else if self.busy().is_some() {
            PartNews::Trouble("the store answered 503".into())
        } else {
            match self.server.put_part(&put.part.url, bytes) {
                Ok(()) => PartNews::Stored,
                Err(error) => PartNews::Refused { status: error.code.status() },
            }
        };
        if !heard {
            return;
        }
        let news = match self.next_harm(node) {
            Some(Harm::Drop | Harm::Truncate) => PartNews::Trouble("no answer in time".into()),
            _ => news,
        };
        let wait = self.nodes[node].network.delay(&mut self.rng);
        self.after(wait, Happening::PartAnswered { node, net, id, news });
    }
}
