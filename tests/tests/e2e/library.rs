//! The client as a library: what it costs the process that it lives in, and when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidewire::{Client, Error, MessageState, Mode, Row, StoreError, TokenError, UserId};
use tidewire_tests::PATIENCE;
use tidewire_tests::server::ServerProcess;

async fn open(server: &ServerProcess, data: &std::path::Path, user: &str) -> Result<Client, Error> {
    Client::builder(format!("http://{}", server.addr()), UserId::new(user).unwrap())
        .token(server.token_for(user, 3_600))
        .data_dir(data)
        .polling_interval(Duration::from_millis(500))
        .spread(Duration::ZERO)
        .open()
        .await
}

async fn in_real_time(client: &Client) {
    let mut modes = client.watch_mode();
    let up = modes.wait_for(|report| report.mode == Mode::RealTime);
    tokio::time::timeout(PATIENCE, up).await.expect("real-time in time").unwrap();
}

/// Looks again and again, because the system tells nobody when a thread or a file is gone.
async fn until(what: &str, mut holds: impl FnMut() -> Result<(), String>) {
    let begin = Instant::now();
    while let Err(seen) = holds() {
        assert!(begin.elapsed() < PATIENCE, "{what}: {seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// scenario: use-after-close
#[tokio::test]
async fn a_client_ends_with_its_last_handle_and_frees_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path().join("server")).await;
    let data = folder.path().join("data");
    let client = open(&server, &data, "ada").await.unwrap();
    in_real_time(&client).await;
    let room = client.create_group("Harbour", Vec::new()).await.unwrap();
    let timeline = room.timeline().await.unwrap();
    let in_use = |result: Result<Client, Error>| {
        matches!(result, Err(Error::Store(StoreError::FolderInUse { .. })))
    };
    assert!(in_use(open(&server, &data, "ada").await));
    // Rooms and timelines are handles as well.
    drop(client);
    drop(room);
    assert!(in_use(open(&server, &data, "ada").await));
    drop(timeline);
    let begin = Instant::now();
    let client = loop {
        match open(&server, &data, "ada").await {
            Ok(client) => break client,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(client.rooms().await.unwrap().len(), 1);
    // Closed, it is free at once, handles or not.
    client.close().await;
    let again = open(&server, &data, "ada").await.unwrap();
    assert!(matches!(client.rooms().await, Err(Error::Closed)));
    again.close().await;
}

// scenario: cancelled-next
#[tokio::test]
async fn a_wait_for_updates_that_is_given_up_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path().join("server")).await;
    let client = open(&server, &folder.path().join("data"), "ada").await.unwrap();
    in_real_time(&client).await;
    let room = client.create_group("Harbour", Vec::new()).await.unwrap();
    let mut timeline = room.timeline().await.unwrap();
    let mut rows = Vec::new();
    for number in 1..=20 {
        room.send(format!("message {number}")).await.unwrap();
        // Polled once, and given up if there is nothing yet.
        if let Ok(batch) = tokio::time::timeout(Duration::ZERO, timeline.next()).await {
            batch.unwrap().update.apply(&mut rows);
        }
    }
    let sent = |rows: &[Row]| {
        let messages = rows.iter().filter_map(Row::message);
        messages
            .filter(|message| message.state == MessageState::Sent)
            .filter_map(|message| message.text())
            .collect::<Vec<_>>()
    };
    let wanted: Vec<_> = (1..=20).map(|number| format!("message {number}")).collect();
    let begin = Instant::now();
    while sent(&rows) != wanted {
        assert!(begin.elapsed() < PATIENCE, "{rows:?}");
        // Given up again and again: each wait may end at any point.
        let waited = tokio::time::timeout(Duration::from_millis(1), timeline.next()).await;
        if let Ok(batch) = waited {
            batch.unwrap().update.apply(&mut rows);
        }
    }
    client.close().await;
}

// scenario: token-provider-fails
#[tokio::test]
async fn a_token_provider_that_fails_is_asked_again_and_sends_wait() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path().join("server")).await;
    let token = server.token_for("ada", 3_600);
    let asked = Arc::new(AtomicUsize::new(0));
    let good = Arc::new(AtomicBool::new(true));
    let provider = {
        let (asked, good) = (asked.clone(), good.clone());
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let token = good.load(Ordering::SeqCst).then(|| token.clone());
            async move { token.ok_or_else(|| TokenError("the sign-in server is away".into())) }
        }
    };
    let data = folder.path().join("data");
    let start = |provider| {
        Client::builder(format!("http://{}", server.addr()), UserId::new("ada").unwrap())
            .token_provider(provider)
            .data_dir(&data)
            .spread(Duration::ZERO)
            .open()
    };
    let client = start(provider.clone()).await.unwrap();
    in_real_time(&client).await;
    let room = client.create_group("Harbour", Vec::new()).await.unwrap().id();
    client.close().await;
    good.store(false, Ordering::SeqCst);
    asked.store(0, Ordering::SeqCst);

    let client = start(provider).await.unwrap();
    let room = client.room(room);
    let mut timeline = room.timeline().await.unwrap();
    let id = room.send("hello").await.unwrap();
    until("the provider is asked again", || {
        let asked = asked.load(Ordering::SeqCst);
        if asked >= 2 { Ok(()) } else { Err(format!("asked {asked} times")) }
    })
    .await;
    good.store(true, Ordering::SeqCst);
    let mut rows = Vec::new();
    let state = |rows: &[Row]| {
        let mut messages = rows.iter().filter_map(Row::message);
        messages.find(|message| message.id == id).map(|message| message.state.clone())
    };
    while state(&rows) != Some(MessageState::Sent) {
        let batch = tokio::time::timeout(PATIENCE, timeline.next()).await.expect("it is sent");
        batch.unwrap().update.apply(&mut rows);
        assert!(!matches!(state(&rows), Some(MessageState::Failed(_))), "{rows:?}");
    }
    client.close().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn thirty_clients_cost_no_thread_and_leave_nothing_behind() {
    const CLIENTS: usize = 30;
    const ALONE: &str = "TIDEWIRE_TESTS_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // In a process of its own: here the other tests open and close files as well.
        let name = std::thread::current().name().unwrap().to_owned();
        let output = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture", "--test-threads=1"])
            .env(ALONE, "1")
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
        return;
    }
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    let threads = || count("/proc/self/task");
    let files = || count("/proc/self/fd");
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path().join("server")).await;
    let data = folder.path().join("data");
    // What the first client starts for all others to come.
    let first = open(&server, &data, "first").await.unwrap();
    in_real_time(&first).await;
    first.close().await;
    drop(first);
    until("the first is gone", || {
        let open = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(&data))
            .count();
        if open == 0 { Ok(()) } else { Err(format!("{open} files")) }
    })
    .await;
    let before = (threads(), files());

    for round in 0..2 {
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            clients.push(open(&server, &data, &format!("user-{number}")).await.unwrap());
        }
        for client in &clients {
            in_real_time(client).await;
        }
        assert_eq!(threads(), before.0, "a client costs no thread");
        // Two databases, each with its log and the log's index, the lock; and one socket.
        // An HTTP connection is kept for a while, so that one look is enough.
        until("idle clients have eight files each", || {
            let each = (files() - before.1) as f64 / CLIENTS as f64;
            if round > 0 || each <= 8.0 { Ok(()) } else { Err(format!("{each} files each")) }
        })
        .await;
        for client in &clients {
            client.close().await;
        }
        drop(clients);
        until("nothing is left", || {
            let now = (threads(), files());
            if now.0 <= before.0 && now.1 <= before.1 {
                Ok(())
            } else {
                Err(format!("{before:?} before, {now:?} after"))
            }
        })
        .await;
    }
}
