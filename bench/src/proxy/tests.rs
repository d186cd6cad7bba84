//! What the proxy does to connections, over real ones.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::pump::{lateness, losses};
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
async fn a_line_carries_no_more_than_it_is_said_to() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.set(Fault::Rate(100_000));
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    let start = Instant::now();
    stream.write_all(&[7; 20_000]).await.unwrap();
    let mut answer = vec![0; 20_000];
    stream.read_exact(&mut answer).await.unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(200) && answer == [7; 20_000], "{took:?}");
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
async fn an_event_stream_is_kept_back_until_the_fault_ends_and_nothing_else_is() {
    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n";
    const OTHER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.set(Fault::NoStreams);
    // The echo answers with what it was asked; the first request of a connection is looked into.
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    let mut answer = vec![0; OTHER.len()];
    stream.write_all(OTHER).await.unwrap();
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, OTHER);
    stream.write_all(STREAM).await.unwrap();
    let counters = proxy.until(|counters| counters.held_streams == 1).await;
    assert_eq!(counters.bytes_down, OTHER.len() as u64);
    proxy.set(Fault::None);
    let mut answer = vec![0; STREAM.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, STREAM);
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
