//! A socket or an event stream between a client and the model server, and what is on its way over
//! it.

use std::collections::VecDeque;

use tidewire_protocol::{EventsQuery, ServerFrame};

use super::happening::Happening;
use super::network::Harm;
use super::simulation::Simulation;
use super::socket::ModelSocket;
use crate::engine::SocketId;

/// A socket, or an event stream.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) node: usize,
    pub(super) net: u32,
    pub(super) socket: SocketId,
    pub(super) model: ModelSocket,
    /// What was asked for, if it is an event stream.
    pub(super) stream: Option<EventsQuery>,
    /// When the last frame arrives that is on its way: none overtakes another.
    pub(super) up_at: u64,
    pub(super) down_at: u64,
    /// Whether it came to be.
    pub(super) opened: bool,
    /// Whether either end has hung up, or thinks so.
    pub(super) client_gone: bool,
    pub(super) server_gone: bool,
    /// Frames that have arrived and that the engine does not take yet.
    pub(super) arrived: VecDeque<ServerFrame>,
    /// The last push that is coming up.
    pub(super) push_at: Option<u64>,
}

impl Connection {
    pub(super) fn is_open(&self) -> bool {
        self.opened && !self.client_gone && !self.server_gone
    }
}

impl Simulation {
    /// The engine wants a socket, or a stream.
    pub(super) fn open_connection(
        &mut self,
        node: usize,
        socket: SocketId,
        stream: Option<EventsQuery>,
    ) {
        match stream {
            Some(_) => self.counts.streams += 1,
            None => self.counts.sockets += 1,
        }
        let id = self.next_connection;
        self.next_connection += 1;
        let Simulation { nodes, rng, now, .. } = self;
        let Some(of) = nodes.get_mut(node) else { return };
        // TCP, TLS and the upgrade.
        let wait: u64 = (0..3).map(|_| 2 * of.network.frame_delay(rng)).sum();
        let life = of.network.life_ms(rng);
        let net = of.net;
        of.sockets.insert(socket.0, id);
        let at = *now + wait;
        self.connections.insert(
            id,
            Connection {
                node,
                net,
                socket,
                model: ModelSocket::default(),
                stream,
                up_at: at,
                down_at: at,
                opened: false,
                client_gone: false,
                server_gone: false,
                arrived: VecDeque::new(),
                push_at: None,
            },
        );
        self.at(at, Happening::Opened(id));
        if let Some(life) = life {
            self.at(at + life, Happening::Cut(id));
        }
    }

    /// The engine hangs up. The server hears of it later.
    pub(super) fn hang_up(&mut self, node: usize, socket: SocketId) {
        let Some(id) = self.nodes[node].sockets.remove(&socket.0) else { return };
        let Simulation { nodes, rng, connections, now, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        connection.client_gone = true;
        let at = connection.up_at.max(*now + nodes[node].network.delay(rng));
        self.at(at, Happening::HungUp(id));
    }

    /// The network between the two ends is gone, with everything on its way. `silent`: the client
    /// is not told.
    pub(super) fn break_connection(&mut self, id: u64, silent: bool) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.server_gone {
            return;
        }
        connection.server_gone = true;
        self.counts.cuts += 1;
        let (node, heartbeat, opened) =
            (connection.node, connection.model.heartbeat_ms, connection.opened);
        if opened {
            self.presence.socket_closed(node, heartbeat, self.now);
        }
        if !silent {
            let wait = self.rng.u64(0..=1_000);
            self.after(wait, Happening::Closed(id));
        }
    }

    /// Somebody has news for all sockets of a client.
    pub(super) fn wake_connections(&mut self, node: usize) {
        let ids: Vec<u64> = self.nodes[node].sockets.values().copied().collect();
        ids.into_iter().for_each(|id| self.wake_connection(id));
    }

    pub(super) fn wake_connection(&mut self, id: u64) {
        let lag = self.connections.get(&id).map(|c| self.lags[self.nodes[c.node].instance]);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.is_open() || !connection.model.greeted {
            return;
        }
        let at = self.now + lag.unwrap_or_default();
        if connection.push_at.is_none_or(|coming| coming < at) {
            connection.push_at = Some(at);
            self.at(at, Happening::Push(id));
        }
    }

    /// Frames of the server leave.
    pub(super) fn send_down(&mut self, id: u64, frames: Vec<ServerFrame>) {
        for frame in frames {
            let Some(node) = self.connections.get(&id).map(|connection| connection.node) else {
                return;
            };
            let harm = self.next_harm(node);
            let late = match harm {
                // Nothing is missing in the middle of a stream: what is lost is the rest of it.
                Some(Harm::Drop | Harm::Truncate) => {
                    self.break_connection(id, harm == Some(Harm::Drop));
                    return;
                }
                Some(Harm::Delay(ms)) => ms,
                Some(Harm::Repeat) | None => 0,
            };
            let Simulation { nodes, rng, connections, now, .. } = self;
            let Some(connection) = connections.get_mut(&id) else { return };
            let network = &nodes[connection.node].network;
            let at = connection.down_at.max(*now + network.frame_delay(rng)) + late;
            connection.down_at = at;
            let may_repeat = !connection.model.stream
                && matches!(
                    frame,
                    ServerFrame::Batch(_) | ServerFrame::Live(_) | ServerFrame::Synced(_)
                );
            let planned = harm == Some(Harm::Repeat);
            let again = planned || may_repeat && super::network::chance(rng, network.repeat);
            if again {
                self.counts.repeated += 1;
                self.at(at, Happening::FrameDown(id, Box::new(frame.clone())));
            }
            self.at(at, Happening::FrameDown(id, Box::new(frame)));
        }
    }
}
