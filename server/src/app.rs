//! What every request and every connection shares.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::accounts::Accounts;
use crate::admission::{Door, Farewell};
use crate::auth::Tokens;
use crate::bus::{Bus, Gossip};
use crate::config::Config;
use crate::cursor::Cursors;
use crate::files::Files;
use crate::health::Looks;
use crate::hub::Hub;
use crate::load::Load;
use crate::metrics::Metrics;
use crate::policy::Audience;
use crate::presence::Presence;
use crate::rate::RateLimiter;
use crate::stop::Stop;
use crate::store::{Store, StoreError};
use crate::tls::Tls;

/// What every request and every connection shares.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) tokens: Tokens,
    /// Accounts of this server's own, if it keeps any.
    pub(crate) accounts: Option<Accounts>,
    pub(crate) cursors: Cursors,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) limiter: RateLimiter,
    pub(crate) files: Files,
    /// What greets connections, where they are not plain.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Where sockets and event streams come in.
    pub(crate) door: Door,
    /// Where polls come in, on a budget of their own: they are what a client does whom the other door refuses.
    pub(crate) polls: Door,
    /// When clients come back after the end of this server.
    pub(crate) farewell: Farewell,
    /// What is measured of the load.
    pub(crate) load: Load,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Looks,
    /// How many sockets and event streams are open.
    pub(crate) sockets: watch::Sender<u32>,
    /// What sockets are told of the audience, at most once a second.
    pub(crate) audience: watch::Sender<Audience>,
    /// Hears the wish to stop.
    pub(crate) stop: Stop,
}

impl App {
    /// The audience at this moment.
    pub(crate) fn audience_now(&self) -> Audience {
        let now = Instant::now();
        let online = self.presence.online(now);
        // What this server has to carry of all of them.
        let share = online.div_ceil(self.presence.servers(now));
        let demand = share.max(*self.sockets.borrow());
        Audience::of(self.config.policy, online, demand, self.load.capacity())
    }

    /// Something was taken back: this server knows it when this returns, the others soon.
    pub(crate) async fn taken_back(&self) -> Result<(), StoreError> {
        self.bus.tell(Gossip { revoked: true, ..Gossip::default() });
        self.tokens.revoked().follow(self.store.as_ref()).await
    }

    /// Returns when the server is to stop.
    pub(crate) async fn stopping(&self) {
        self.stop.clone().requested().await;
    }

    /// Returns when no socket and no event stream is open any more.
    pub(crate) async fn sockets_ended(&self) {
        // The sender is `self`: it cannot be gone.
        let _ = self.sockets.subscribe().wait_for(|open| *open == 0).await;
    }
}
