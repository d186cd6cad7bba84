//! A server and faulty networks for tests in other languages, see [`tidewire_tests::stage`]. Says
//! on the first line of stdout where they are, and ends with its stdin, so that it never outlives
//! who started it, or with SIGTERM.

#![allow(clippy::expect_used, reason = "in a test a panic is the report")]

use std::io::Read;

use tidewire_tests::stage::Stage;
use tokio::sync::oneshot;

#[tokio::main]
async fn main() {
    // Heard from the beginning: whoever has read the first line may say so at once.
    let told_to_end = told_to_end();
    let stage = Stage::start().await;
    println!("{}", stage.addresses());
    tokio::select! {
        () = stdin_ends() => {}
        () = told_to_end => {}
    }
    stage.end().await.expect("the folder can be removed");
}

/// On a thread of its own: the runtime would wait for a read that never ends.
async fn stdin_ends() {
    let (sender, ended) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 64];
        while stdin.read(&mut buffer).is_ok_and(|read| read > 0) {}
        drop(sender);
    });
    // The sender never sends: its end is the message.
    let _ = ended.await;
}

#[cfg(unix)]
fn told_to_end() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be heard");
    let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be heard");
    async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    // Without signals only the end of stdin is left.
    let _ = tokio::signal::ctrl_c().await;
}
