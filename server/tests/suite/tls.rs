//! TLS at the public address: what it takes, what it refuses, and how a certificate is renewed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tidewire_server::TlsFiles;
use tidewire_services::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::harness::{PATIENCE, Running, start_with};

async fn start(authority: &Authority, folder: &Path) -> Running {
    let (certificate, key) = authority.issue(folder);
    start_with(|config| {
        config.tls = Some(TlsFiles { certificate, key });
        config.head_timeout = Duration::from_millis(300);
    })
    .await
}

/// A client of this authority that offers these protocols.
fn client(authority: &Authority, protocols: &[&str]) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config).into()
}

async fn connect(
    server: &Running,
    authority: &Authority,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.server.addr()).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    client(authority, protocols).connect(name, stream).await
}

/// Whether a request over this connection is answered; it stays open.
async fn answers(stream: &mut TlsStream<TcpStream>) -> bool {
    let whole = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        (body.len() >= length.parse::<usize>().ok()?).then(|| head.starts_with("HTTP/1.1 200"))
    };
    let asked = async {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.ok()?;
        let mut answer = Vec::new();
        loop {
            if let Some(good) = whole(&answer) {
                return Some(good);
            }
            stream.read_buf(&mut answer).await.ok().filter(|bytes| *bytes > 0)?;
        }
    };
    timeout(PATIENCE, asked).await.unwrap().unwrap_or(false)
}

fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// What comes back until the server closes.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it is closed");
    bytes
}

#[tokio::test]
async fn who_trusts_the_authority_speaks_http_and_nobody_else_does() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let server = start(&authority, folder.path()).await;
    assert!(server.server.url().starts_with("https://127.0.0.1:"));
    for protocols in [&["h2", "http/1.1"][..], &[]] {
        let mut stream = connect(&server, &authority, protocols).await.unwrap();
        let expected: Option<&[u8]> = (!protocols.is_empty()).then_some(b"http/1.1");
        assert_eq!(stream.get_ref().1.alpn_protocol(), expected);
        assert!(answers(&mut stream).await);
    }
    assert!(connect(&server, &authority, &["h2"]).await.is_err(), "it speaks no HTTP/2");
    assert!(connect(&server, &Authority::new("theirs"), &[]).await.is_err());
    // Without TLS, and with what was never any: not a word of HTTP comes back.
    for said in ["GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", "\u{0}\u{1}\u{2}\u{3}garbage garbage"]
    {
        let mut stream = TcpStream::connect(server.server.addr()).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert!(!answer.windows(4).any(|four| four == b"HTTP"), "{answer:?}");
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_its_end_is_cut_off_and_holds_nobody_up() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let server = start(&authority, folder.path()).await;
    // One says nothing, one begins a message and goes on a byte at a time.
    let mut silent = TcpStream::connect(server.server.addr()).await.unwrap();
    let mut slow = TcpStream::connect(server.server.addr()).await.unwrap();
    slow.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await.unwrap();
    let mut good = connect(&server, &authority, &[]).await.unwrap();
    assert!(answers(&mut good).await);
    let trickle = async {
        while slow.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, trickle).await.expect("it is cut off however it trickles");
    assert_eq!(until_closed(&mut silent).await, b"");
    // Behind a whole handshake the head of a request has the time that it has without TLS.
    let mut late = connect(&server, &authority, &[]).await.unwrap();
    late.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, late.read_to_end(&mut rest)).await.expect("it is cut off");
    assert!(answers(&mut good).await, "an idle connection is not");
    server.server.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_for_those_who_come_and_a_broken_one_changes_nothing() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let server = start(&authority, folder.path()).await;
    let mut before = connect(&server, &authority, &[]).await.unwrap();
    assert!(answers(&mut before).await);
    let (certificate, key) = authority.issue(folder.path());
    server.server.read_certificate_again();
    let after = connect(&server, &authority, &[]).await.unwrap();
    assert_ne!(shown(&before), shown(&after));
    assert!(answers(&mut before).await, "who was there stays");
    // Half of a renewal: the key does not belong to it.
    let good = std::fs::read(&key).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(authority.issue(elsewhere.path()).1, &key).unwrap();
    for broken in [None, Some("nonsense")] {
        if let Some(text) = broken {
            std::fs::write(&certificate, text).unwrap();
        }
        server.server.read_certificate_again();
        let mut still = connect(&server, &authority, &[]).await.unwrap();
        assert_eq!(shown(&still), shown(&after));
        assert!(answers(&mut still).await);
    }
    std::fs::remove_file(&certificate).unwrap();
    server.server.read_certificate_again();
    assert!(connect(&server, &authority, &[]).await.is_ok());
    std::fs::write(&key, good).unwrap();
    authority.issue(folder.path());
    server.server.read_certificate_again();
    let renewed = connect(&server, &authority, &[]).await.unwrap();
    assert_ne!(shown(&renewed), shown(&after));
    server.server.stop().await;
}

fn binary(data: &Path, certificate: &Path, key: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).env_clear();
    command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn files_that_are_no_certificate_and_no_key_end_the_start_and_say_why() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let (certificate, key) = authority.issue(folder.path());
    let other = tempfile::tempdir().unwrap();
    let (_, others) = authority.issue(other.path());
    let (nothing, missing) = (folder.path().join("empty"), folder.path().join("missing"));
    std::fs::write(&nothing, "").unwrap();
    let wrong: [(&Path, &Path, &str); 6] = [
        (&missing, &key, "--tls-cert"),
        (&certificate, &missing, "give a PEM file that this user may read"),
        (&nothing, &key, "holds no certificate; give the chain as PEM"),
        (&certificate, &nothing, "holds no private key"),
        (&certificate, &certificate, "holds no private key"),
        (&certificate, &others, "does not belong to the certificate"),
    ];
    for (certificate, key, what) in wrong {
        let ended = binary(&folder.path().join("data"), certificate, key).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(1), &b""[..]), "{said}");
        assert!(said.contains(what), "{what}: {said}");
        assert!(!said.contains("PRIVATE KEY-----"), "{said}");
    }
    let mut half = Command::new(env!("CARGO_BIN_EXE_tidewire-server"));
    let half = half.args(["serve", "--tls-cert", "x"]).env_clear().output().unwrap();
    assert_eq!(half.status.code(), Some(2), "one flag without the other");
}

#[cfg(unix)]
#[tokio::test]
async fn at_a_hangup_the_certificate_is_read_again_and_the_server_lives() {
    use std::io::BufRead;
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let (certificate, key) = authority.issue(folder.path());
    let mut server = binary(&folder.path().join("data"), &certificate, &key).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = line.trim().strip_prefix("listening on https://").expect("an address").to_owned();
    let first = async || {
        let stream = TcpStream::connect(&addr).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        shown(&client(&authority, &[]).connect(name, stream).await.unwrap())
    };
    let before = first().await;
    authority.issue(folder.path());
    let hangup = Command::new("kill").args(["-HUP", &server.id().to_string()]).status();
    assert!(hangup.unwrap().success());
    let renewed = async { while first().await == before {} };
    timeout(PATIENCE, renewed).await.expect("the new one is shown");
    assert!(server.try_wait().unwrap().is_none());
    server.kill().unwrap();
    server.wait().unwrap();
}
