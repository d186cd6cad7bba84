//! Start, stop, start again, and folders that are no good.

use tidewire_protocol::{Bootstrap, Hello, ServerFrame};
use tidewire_server::{Config, Server, StartError};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Running, feed_from, start};

#[tokio::test]
async fn a_graceful_stop_says_goaway_to_every_socket() {
    let server = start().await;
    let cursor = server.cursor("ada").await;
    let hello = || Hello { heartbeat_ms: 30_000, ..Hello::default() };
    let mut sockets =
        vec![server.hello("ada", feed_from(cursor)).await, server.hello("bob", hello()).await];
    assert!(matches!(sockets[0].next().await, ServerFrame::Batch(_)));
    let unauthenticated = server.open().await;
    sockets.push(unauthenticated);
    let clients = async {
        for socket in &mut sockets {
            match socket.next().await {
                ServerFrame::Goaway { retry_after_ms, .. } => assert!(retry_after_ms <= 1_000),
                other => panic!("{other:?}"),
            }
            socket.assert_closed().await;
        }
    };
    timeout(PATIENCE, async { tokio::join!(server.server.stop(), clients) }).await.unwrap();
}

#[tokio::test]
async fn stopped_and_started_again_it_has_everything_on_the_same_port() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    server.say("ada", room, 3).await;
    let before: Bootstrap = server.get("bob", "/v1/bootstrap").await.parse();
    let token = server.token("bob");
    let addr = server.server.addr();
    server.server.stop().await;
    server.server.stop().await;
    assert!(TcpListener::bind(addr).await.is_ok(), "the port is free");
    let mut config = Config::new(server.folder.path());
    config.listen = addr;
    let server = Running { server: Server::start(config).await.unwrap(), folder: server.folder };
    let answer = server.call("GET", "/v1/bootstrap", Some(&token), None).await;
    let after: Bootstrap = answer.parse();
    assert_eq!((after.epoch, after.rooms), (before.epoch, before.rooms));
    // Cursors from before are as good as new ones.
    let page = server.sync("bob", &crate::harness::request(before.cursor)).await.page.unwrap();
    assert!(page.events.is_empty() && page.limited.is_empty());
    server.server.stop().await;
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_free_after_the_stop() {
    let server = start().await;
    let config = Config::new(server.folder.path());
    match Server::start(config.clone()).await {
        Err(error @ StartError::Locked { .. }) => {
            assert!(error.to_string().contains("--data"), "it says what to do: {error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.call("GET", "/healthz", None, None).await.status, 200, "nobody is disturbed");
    server.server.stop().await;
    Server::start(config).await.unwrap().stop().await;
}

#[tokio::test]
async fn folders_files_and_ports_that_are_no_good_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let under_a_file = Server::start(Config::new(file.join("data"))).await;
    assert!(matches!(under_a_file, Err(StartError::DataDir { .. })), "{under_a_file:?}");

    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("tidewire.db"), "no database ".repeat(1_000)).unwrap();
    let no_database = Server::start(Config::new(&data)).await;
    assert!(matches!(no_database, Err(StartError::NotADatabase { .. })), "{no_database:?}");

    std::fs::write(data.join("secret.key"), "short").unwrap();
    let no_secret = Server::start(Config::new(&data)).await;
    assert!(matches!(no_secret, Err(StartError::Keys(_))), "{no_secret:?}");

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::new(folder.path().join("fresh"));
    config.listen = taken.local_addr().unwrap();
    let bind = Server::start(config).await;
    assert!(matches!(bind, Err(StartError::Bind { .. })), "{bind:?}");
}

#[tokio::test]
async fn a_dropped_server_stops_by_itself() {
    let Running { server, folder } = start().await;
    let addr = server.addr();
    drop(server);
    timeout(PATIENCE, async {
        loop {
            let mut config = Config::new(folder.path());
            config.listen = addr;
            match Server::start(config).await {
                Ok(server) => return server.stop().await,
                Err(StartError::Locked { .. } | StartError::Bind { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    })
    .await
    .unwrap();
}
