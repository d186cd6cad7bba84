//! How long public calls keep the thread that makes them, while much comes in; and a thousand logouts.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidewire::{AppState, Logout, UserId};

use super::Error;
use super::database::client;
use super::wire::{Wire, room_id};

/// The longest that a thread was kept, in ms, by the wall and by what the thread itself has run, and how
/// many calls there were.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Longest {
    pub(super) wall_ms: f64,
    pub(super) ran_ms: f64,
    pub(super) calls: u64,
}

impl Longest {
    fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let (ran, begin) = (thread_ran_ms(), Instant::now());
        let result = call();
        let (wall, ran) = (begin.elapsed().as_secs_f64() * 1_000.0, thread_ran_ms() - ran);
        self.wall_ms = self.wall_ms.max(wall);
        self.ran_ms = self.ran_ms.max(ran);
        self.calls += 1;
        result
    }

    /// Each poll of it is one time that the thread is kept.
    async fn poll<F: Future>(&mut self, future: F) -> F::Output {
        let future = std::pin::pin!(future);
        Timed { longest: self, future }.await
    }
}

struct Timed<'a, F> {
    longest: &'a mut Longest,
    future: Pin<&'a mut F>,
}

impl<F: Future> Future for Timed<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let future = this.future.as_mut();
        this.longest.time(|| future.poll(context))
    }
}

/// What this thread has had of a core, in ms; by the wall where the system does not tell.
fn thread_ran_ms() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = told.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    ran.unwrap_or(0.0) / 1_000_000.0
}

/// Makes every kind of call again and again while pages come in.
pub(super) async fn longest(wire: &Wire) -> Result<Longest, Error> {
    let folder = tempfile::tempdir()?;
    let client = client(&wire.url, folder.path()).await?;
    let mut longest = Longest::default();
    let pages = wire.pages().len();
    let ada = UserId::new(super::wire::USER)?;
    let mut number = 0;
    let mut timelines = Vec::new();
    while wire.asked().len() <= pages {
        number += 1;
        let room = client.room(room_id(number % 10).parse()?);
        let _ = longest.poll(client.rooms()).await;
        if let Ok(timeline) = longest.poll(room.timeline()).await {
            let _ = longest.poll(timeline.next_after(0)).await;
            let _ = longest.poll(timeline.load_older(50)).await;
            timelines.push(timeline);
        }
        if timelines.len() > 5 {
            longest.time(|| drop(timelines.remove(0)));
        }
        let _ = longest.poll(room.send("a word in between")).await;
        let _ = longest.poll(room.mark_read(tidewire::Seq::new(number))).await;
        let _ = longest.poll(client.profiles(vec![ada.clone()])).await;
        let _ = longest.poll(client.presence(vec![ada.clone()])).await;
        let _ = longest.poll(client.stats()).await;
        let _ = longest.poll(client.cache_report()).await;
        let _ = longest.poll(client.why()).await;
        longest.time(|| client.set_visible_rooms(&[room.id()]));
        longest.time(|| room.typing());
        longest.time(|| client.mode());
        let settled = longest.time(|| client.set_app_state(AppState::Foreground));
        longest.poll(settled).await;
    }
    longest.poll(client.logout(Logout::Discard)).await?;
    Ok(longest)
}

/// So many logouts while pages come in. Gives how many failed, and the files and threads that were left.
pub(super) async fn logouts(wire: &Wire, data: &Path, rounds: u32) -> Result<(f64, f64), Error> {
    client(&wire.url, data).await?.logout(Logout::Discard).await?;
    let before = (count("/proc/self/fd"), count("/proc/self/task"));
    let mut failed = 0.0;
    for round in 0..rounds {
        let client = client(&wire.url, data).await?;
        let sending = client.room(room_id(0).parse()?);
        let sender = tokio::spawn(async move { while sending.send("bye").await.is_ok() {} });
        tokio::time::sleep(Duration::from_millis(u64::from(round % 10))).await;
        if client.logout(Logout::Discard).await.is_err() || std::fs::read_dir(data)?.count() > 0 {
            failed += 1.0;
        }
        sender.await?;
    }
    // What still ends, ends within moments.
    let begin = Instant::now();
    loop {
        let now = (count("/proc/self/fd"), count("/proc/self/task"));
        let left = now.0.saturating_sub(before.0) + now.1.saturating_sub(before.1);
        if left == 0 || begin.elapsed() > Duration::from_secs(20) {
            return Ok((failed, left as f64));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}
