//! A TCP proxy that can be told to fail: the bad network of the demo and of the end-to-end tests.
//!
//! It stands in front of one server, on a port of its own, and knows nothing of the protocol but
//! where a request's head ends. What it does to a connection is its [`Fault`], which may be changed
//! at any moment; [`Counters`] tell what became of it, and [`Proxy::until`] waits for that, so that
//! nobody has to guess with a sleep.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! # let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! use tidewire_bench::proxy::{Fault, Proxy};
//!
//! let proxy = Proxy::start(server.local_addr()?).await?;
//! println!("clients use {}", proxy.url());
//! proxy.set(Fault::HoldAnswers); // the server hears its clients, they hear nothing
//! proxy.cut().await; // nobody reaches anybody
//! proxy.set(Fault::None);
//! # Ok(()) }
//! ```

mod connection;
mod portal;
mod pump;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use connection::accept;

/// What is wrong with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Connections are reset, new ones too.
    Cut,
    /// What clients send arrives, what the server answers is kept back until the fault changes: it
    /// is delivered then, unless the connection was reset meanwhile.
    HoldAnswers,
    /// The first answer to what a client sends from now on is thrown away and its connection
    /// reset; then the fault is [`Fault::None`] again. The server has done what it was asked to,
    /// and the client does not know.
    LoseNextAnswer,
    /// The same, but the first bytes of the answer are still delivered.
    TearNextAnswer {
        /// How many, of the piece that is read: an answer that is shorter loses its last byte.
        after: usize,
    },
    /// Each piece of data takes this long, both ways.
    Delay(Duration),
    /// A line that carries so many bytes a second, each way of each connection.
    Rate(u32),
    /// A network that loses packets, as it looks from above TCP: nothing is missing, but what
    /// follows a loss waits until it was sent again. Each piece of data that is read (at most
    /// 16 KiB) stands for a packet; with this probability it is lost and sent again after
    /// [`RETRANSMISSION`], lost again after twice that, and so on, both ways and in order, so that
    /// what comes behind it waits too. A real loss costs less where later packets tell the sender of
    /// it (fast retransmission); in a chat there are seldom any.
    Loss {
        /// 0 to 99.
        percent: u8,
    },
    /// A captive portal: every request is answered with an HTML page and this status, the upgrade
    /// to a WebSocket too. Connections that were open are reset.
    Portal {
        /// 200 or 403, for example.
        status: u16,
    },
    /// A proxy that knows no WebSockets: upgrades are answered with 502 and an HTML page,
    /// everything else passes. Connections that were open are reset.
    NoSockets,
    /// The same, and answers are passed on once they are whole: an event stream, which does not end,
    /// never comes. What a client reads of any other answer is the same.
    NoStreams,
}

impl Fault {
    /// Whether connections made before it belong to a network that is gone.
    fn resets(self) -> bool {
        matches!(self, Fault::Cut | Fault::Portal { .. } | Fault::NoSockets | Fault::NoStreams)
    }
}

/// TCP's shortest wait before it sends a packet again, as Linux has it (RFC 6298 allows 1 s).
pub const RETRANSMISSION: Duration = Duration::from_millis(200);

/// Losses of one packet in a row at most: at 20 % one packet in 400,000 is lost more often.
const MOST_LOSSES: u32 = 8;

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Connections taken from clients.
    pub accepted: u64,
    /// Of these, how many are open now.
    pub open: u64,
    /// Connections that ended with a reset by this proxy.
    pub reset: u64,
    /// Bytes delivered to the server.
    pub bytes_up: u64,
    /// Bytes delivered to clients.
    pub bytes_down: u64,
    /// Bytes of the server that were ever kept back, see [`Fault::HoldAnswers`].
    pub bytes_held: u64,
    /// Answers thrown away, see [`Fault::LoseNextAnswer`] and [`Fault::TearNextAnswer`].
    pub lost_answers: u64,
    /// Packets lost and sent again, see [`Fault::Loss`].
    pub retransmissions: u64,
    /// Requests answered with a page, see [`Fault::Portal`].
    pub portal_pages: u64,
    /// Upgrades among these, and those refused, see [`Fault::NoSockets`].
    pub refused_upgrades: u64,
    /// Event streams kept back, see [`Fault::NoStreams`].
    pub held_streams: u64,
}

/// A running proxy. Dropping it resets its connections and frees its port.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    fault: watch::Sender<Told>,
    counters: watch::Sender<Counters>,
    /// A std mutex, because nothing awaits while it is held.
    target: Mutex<SocketAddr>,
}

/// A fault and its number, so that the same fault told twice is told twice: a second `Cut` resets
/// what was opened since, and what was opened under a fault is not reset by it.
#[derive(Debug, Clone, Copy)]
struct Told {
    fault: Fault,
    number: u64,
}

impl Proxy {
    /// Starts a proxy for `server` on a free port of this machine.
    ///
    /// # Errors
    /// What the system says when there is no port.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            fault: watch::Sender::new(Told { fault: Fault::None, number: 0 }),
            counters: watch::Sender::default(),
            target: Mutex::new(server),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { addr, shared, accepting })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same as a URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The server has moved: connections from now on go there.
    pub fn set_target(&self, server: SocketAddr) {
        *self.shared.target() = server;
    }

    /// Changes what is wrong, at once and for open connections too.
    pub fn set(&self, fault: Fault) {
        self.shared.set(fault);
    }

    /// What is wrong now.
    pub fn fault(&self) -> Fault {
        self.shared.fault.borrow().fault
    }

    /// Sets [`Fault::Cut`] and waits until no connection is left.
    pub async fn cut(&self) {
        self.set(Fault::Cut);
        self.until(|counters| counters.open == 0).await;
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        *self.shared.counters.borrow()
    }

    /// Waits until the counters are as wanted, and gives them.
    pub async fn until(&self, wanted: impl FnMut(&Counters) -> bool) -> Counters {
        let mut counters = self.shared.counters.subscribe();
        // Copied at once: what `wait_for` gives is a guard, which must not be held over an await.
        let seen = counters.wait_for(wanted).await.map(|counters| *counters);
        match seen {
            Ok(counters) => counters,
            // The sender lives as long as `self`.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // With the task goes its set of connections.
        self.accepting.abort();
    }
}

impl Shared {
    fn target(&self) -> std::sync::MutexGuard<'_, SocketAddr> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, fault: Fault) {
        self.fault.send_modify(|told| *told = Told { fault, number: told.number + 1 });
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        self.counters.send_modify(change);
    }

    /// Whether this connection is the one whose answer gets lost. Only one is.
    fn take_loss(&self) -> bool {
        self.fault.send_if_modified(|told| {
            let taken = matches!(told.fault, Fault::LoseNextAnswer | Fault::TearNextAnswer { .. });
            if taken {
                *told = Told { fault: Fault::None, number: told.number + 1 };
            }
            taken
        })
    }
}
