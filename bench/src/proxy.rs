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

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

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
    /// Each piece of data takes this long, both ways.
    Delay(Duration),
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
}

impl Fault {
    /// Whether connections made before it belong to a network that is gone.
    fn resets(self) -> bool {
        matches!(self, Fault::Cut | Fault::Portal { .. } | Fault::NoSockets)
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
    /// Answers thrown away, see [`Fault::LoseNextAnswer`].
    pub lost_answers: u64,
    /// Packets lost and sent again, see [`Fault::Loss`].
    pub retransmissions: u64,
    /// Requests answered with a page, see [`Fault::Portal`].
    pub portal_pages: u64,
    /// Upgrades among these, and those refused, see [`Fault::NoSockets`].
    pub refused_upgrades: u64,
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
            let taken = told.fault == Fault::LoseNextAnswer;
            if taken {
                *told = Told { fault: Fault::None, number: told.number + 1 };
            }
            taken
        })
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // For want of file descriptors, most often: the next one may have better luck.
                let Ok((client, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                shared.count(|counters| {
                    counters.accepted += 1;
                    counters.open += 1;
                });
                connections.spawn(serve(client, shared.clone()));
            }
            // Takes the ended ones out, so that they don't pile up.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As its two sides wished.
    Closed,
    /// By a reset.
    Reset,
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let mut faults = shared.fault.subscribe();
    let opened = *faults.borrow_and_update();
    let end = if opened.fault == Fault::Cut {
        End::Reset
    } else {
        tokio::select! {
            end = carry(&mut client, opened.fault, &shared) => end,
            () = reset_asked(&mut faults) => End::Reset,
        }
    };
    if end == End::Reset {
        // Without lingering a close is a reset. If the system refuses, it is a close: bad enough.
        let _ = client.set_zero_linger();
    }
    drop(client);
    shared.count(|counters| {
        counters.open -= 1;
        counters.reset += u64::from(end == End::Reset);
    });
}

/// Waits for a fault, told after the connection was opened, that resets it.
async fn reset_asked(faults: &mut watch::Receiver<Told>) {
    loop {
        if faults.changed().await.is_err() || faults.borrow_and_update().fault.resets() {
            return;
        }
    }
}

async fn carry(client: &mut TcpStream, opened_under: Fault, shared: &Shared) -> End {
    let carried = match opened_under {
        Fault::Portal { status } => return portal(client, status, shared).await,
        Fault::NoSockets => match read_head(client).await {
            Ok(head) if is_upgrade(&head) => {
                shared.count(|counters| counters.refused_upgrades += 1);
                return answer(client, 502).await;
            }
            Ok(head) => pass(client, head, shared).await,
            Err(error) => Err(error),
        },
        _ => pass(client, Vec::new(), shared).await,
    };
    carried.unwrap_or(End::Reset)
}

/// Passes `head` and then everything in both directions, as the fault allows.
async fn pass(client: &mut TcpStream, head: Vec<u8>, shared: &Shared) -> io::Result<End> {
    let target = *shared.target();
    let mut server = TcpStream::connect(target).await?;
    // Latency is the fault's affair alone.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    if !head.is_empty() {
        server.write_all(&head).await?;
        shared.count(|counters| counters.bytes_up += head.len() as u64);
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    // The number of the fault under which the client sent something last.
    let sent_under = Mutex::new(0);
    let up = pump(Way::Up, from_client, to_server, shared, &sent_under);
    let down = pump(Way::Down, from_server, to_client, shared, &sent_under);
    tokio::pin!(up, down);
    // When one side has said its last word, the other may still speak.
    let ends = tokio::select! {
        end = &mut up => (end?, down.await?),
        end = &mut down => (end?, End::Closed),
    };
    Ok(if ends == (End::Closed, End::Closed) { End::Closed } else { End::Reset })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// Bytes of one direction kept in the proxy at most; then it reads no further.
const MOST_KEPT: usize = 1024 * 1024;

/// A piece of data on its way.
struct Piece {
    came: Instant,
    /// What its losses cost, also when the network has become better since.
    late: Duration,
    data: Vec<u8>,
}

/// How often a packet is lost before it arrives.
fn losses(rng: &mut fastrand::Rng, percent: u8) -> u32 {
    (0..MOST_LOSSES).take_while(|_| rng.u8(0..100) < percent).count() as u32
}

/// What so many losses in a row cost: each waits twice as long as the one before.
fn lateness(losses: u32) -> Duration {
    RETRANSMISSION * (2u32.pow(losses) - 1)
}

async fn pump(
    way: Way,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    sent_under: &Mutex<u64>,
) -> io::Result<End> {
    let mut faults = shared.fault.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    let mut kept: VecDeque<Piece> = VecDeque::new();
    let mut rng = fastrand::Rng::new();
    let mut bytes_kept = 0;
    let mut ended = false;
    loop {
        if ended && kept.is_empty() {
            to.shutdown().await?;
            return Ok(End::Closed);
        }
        let Told { fault, number } = *faults.borrow_and_update();
        let due = kept.front().and_then(|piece| match fault {
            Fault::HoldAnswers if way == Way::Down => None,
            Fault::Delay(time) => Some(piece.came + piece.late + time),
            _ => Some(piece.came + piece.late),
        });
        let wait = async move {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = faults.changed() => if changed.is_err() { return Ok(End::Reset) },
            () = wait => {
                if let Some(Piece { data, .. }) = kept.pop_front() {
                    to.write_all(&data).await?;
                    bytes_kept -= data.len();
                    let sent = data.len() as u64;
                    shared.count(|counters| match way {
                        Way::Up => counters.bytes_up += sent,
                        Way::Down => counters.bytes_down += sent,
                    });
                }
            }
            read = from.read(&mut buffer), if !ended && bytes_kept < MOST_KEPT => {
                let read = read?;
                ended = read == 0;
                if read == 0 {
                    continue;
                }
                let mut under = sent_under.lock().unwrap_or_else(PoisonError::into_inner);
                match (way, fault) {
                    (Way::Up, _) => *under = number,
                    (Way::Down, Fault::LoseNextAnswer) if *under == number => {
                        if shared.take_loss() {
                            shared.count(|counters| counters.lost_answers += 1);
                            return Ok(End::Reset);
                        }
                    }
                    (Way::Down, Fault::HoldAnswers) => {
                        shared.count(|counters| counters.bytes_held += read as u64);
                    }
                    (Way::Down, _) => {}
                }
                drop(under);
                let lost = match fault {
                    Fault::Loss { percent } => losses(&mut rng, percent),
                    _ => 0,
                };
                if lost > 0 {
                    shared.count(|counters| counters.retransmissions += u64::from(lost));
                }
                let data = buffer[..read].to_vec();
                kept.push_back(Piece { came: Instant::now(), late: lateness(lost), data });
                bytes_kept += read;
            }
        }
    }
}

/// Largest head of a request that is looked into, in bytes.
const MOST_HEAD: usize = 16 * 1024;

/// Reads until the head of a request is complete; what follows it may be read along.
async fn read_head(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > MOST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if client.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn is_upgrade(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).to_ascii_lowercase().contains("\r\nupgrade: websocket")
}

async fn portal(client: &mut TcpStream, status: u16, shared: &Shared) -> End {
    let Ok(head) = read_head(client).await else { return End::Closed };
    shared.count(|counters| {
        counters.portal_pages += 1;
        counters.refused_upgrades += u64::from(is_upgrade(&head));
    });
    answer(client, status).await
}

/// What somebody in the middle answers, and hangs up.
async fn answer(client: &mut TcpStream, status: u16) -> End {
    const PAGE: &str = "<!doctype html><title>Welcome</title><p>Please accept our terms.</p>";
    let reason = match status {
        200 => "OK",
        403 => "Forbidden",
        502 => "Bad Gateway",
        _ => "Somehow",
    };
    let length = PAGE.len();
    let answer = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{PAGE}"
    );
    let written = async {
        client.write_all(answer.as_bytes()).await?;
        client.shutdown().await?;
        // A body that nobody reads would turn the close into a reset, before the answer is read.
        let mut rest = [0; 4096];
        while client.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    match written.await {
        Ok(()) => End::Closed,
        Err(_) => End::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every piece with itself.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        addr
    }

    async fn talk(stream: &mut TcpStream) -> io::Result<String> {
        stream.write_all(b"hello").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test]
    async fn a_cut_resets_what_is_open_and_what_comes_and_ends_with_the_fault() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert_eq!(talk(&mut stream).await.unwrap(), "hello");
        proxy.cut().await;
        talk(&mut stream).await.unwrap_err();
        if let Ok(mut stream) = TcpStream::connect(proxy.addr()).await {
            talk(&mut stream).await.unwrap_err();
        }
        proxy.set(Fault::None);
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert_eq!(talk(&mut stream).await.unwrap(), "hello");
        assert_eq!((proxy.counters().bytes_up, proxy.counters().bytes_down), (10, 10));
    }

    #[tokio::test]
    async fn held_answers_are_delivered_when_the_fault_ends() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        proxy.set(Fault::HoldAnswers);
        stream.write_all(b"hello").await.unwrap();
        let counters = proxy.until(|counters| counters.bytes_held == 5).await;
        assert_eq!((counters.bytes_up, counters.bytes_down), (5, 0));
        proxy.set(Fault::None);
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");
    }

    #[tokio::test]
    async fn a_lost_answer_is_one_answer_to_what_was_sent_since() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert_eq!(talk(&mut stream).await.unwrap(), "hello");
        proxy.set(Fault::LoseNextAnswer);
        talk(&mut stream).await.unwrap_err();
        let counters = proxy.until(|counters| counters.open == 0).await;
        assert_eq!((counters.lost_answers, counters.bytes_up), (1, 10));
        assert_eq!(proxy.fault(), Fault::None);
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert_eq!(talk(&mut stream).await.unwrap(), "hello");
    }

    #[tokio::test]
    async fn a_delay_is_paid_both_ways_and_not_for_each_piece_anew() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        proxy.set(Fault::Delay(Duration::from_millis(50)));
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            stream.write_all(b"hello").await.unwrap();
        }
        let mut answer = [0; 500];
        stream.read_exact(&mut answer).await.unwrap();
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(100), "{took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }

    #[tokio::test]
    async fn lost_packets_come_late_and_in_order_and_nothing_is_missing() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        proxy.set(Fault::Loss { percent: 20 });
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        let start = Instant::now();
        let mut sent = 0u8;
        // One at a time, so that no piece hides the lateness of another.
        while proxy.counters().retransmissions < 3 {
            stream.write_all(&[sent]).await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), sent);
            sent = sent.wrapping_add(1);
        }
        assert!(start.elapsed() >= 3 * RETRANSMISSION, "{:?}", start.elapsed());
        // Together, so that some wait behind others.
        let sent: Vec<u8> = (0..100).collect();
        for byte in &sent {
            stream.write_all(&[*byte]).await.unwrap();
        }
        let mut came = [0; 100];
        stream.read_exact(&mut came).await.unwrap();
        assert_eq!(came.as_slice(), sent);
    }

    #[test]
    fn one_packet_in_five_is_lost_and_each_further_loss_costs_twice_as_much() {
        let mut rng = fastrand::Rng::with_seed(1);
        let lost = (0..100_000).filter(|_| losses(&mut rng, 20) > 0).count();
        assert!((19_000..21_000).contains(&lost), "{lost}");
        assert_eq!([0, 1, 2, 3].map(|n| lateness(n).as_millis()), [0, 200, 600, 1_400]);
    }

    async fn ask(proxy: &Proxy, request: &str) -> String {
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_portal_answers_everything_and_a_proxy_without_sockets_only_upgrades() {
        const UPGRADE: &str = "GET /v1/socket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        const PLAIN: &str = "POST /v1/sync HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        let proxy = Proxy::start(echo().await).await.unwrap();
        proxy.set(Fault::Portal { status: 403 });
        for request in [UPGRADE, PLAIN] {
            assert!(ask(&proxy, request).await.starts_with("HTTP/1.1 403 "));
        }
        proxy.set(Fault::NoSockets);
        assert!(ask(&proxy, UPGRADE).await.starts_with("HTTP/1.1 502 "));
        assert_eq!(ask(&proxy, PLAIN).await, PLAIN);
        let counters = proxy.counters();
        assert_eq!((counters.portal_pages, counters.refused_upgrades), (2, 2));
    }
}
