//! One says something, everybody hears it: deliveries a second, here and on the bare server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tidewire_protocol::{ClientFrame, Content, EventId, Op, RoomId, RoomOps};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use super::Error;
use super::child::{Kind, Process};
use super::crowd;
use super::light::{Greeting, Heard, Light, Seen, bootstrap};

/// Messages that are on their way at once. Who has sent so many waits until his own come back.
const ON_THEIR_WAY: usize = 8;

/// Bytes of a message's text: two or three sentences.
const TEXT: usize = 300;

/// How fast messages arrived.
pub(super) struct Rate {
    pub(super) deliveries_per_second: f64,
    /// Messages that came with one frame.
    pub(super) per_frame: f64,
}

/// Deliveries of messages into a room of `listeners`.
pub(super) async fn ours(listeners: usize, messages: usize) -> Result<Rate, Error> {
    let folder = tempfile::tempdir()?;
    let kind = Kind::Tidewire { data: folder.path(), admission: 0 };
    let process = Process::start(kind).await?;
    let keys = crowd::keys(folder.path())?;
    let room = crowd::one_room(&format!("http://{}", process.addr), &keys, listeners).await?;
    let mut sockets = Vec::new();
    for number in 0..listeners {
        let token = crowd::token(&keys, &crowd::user(number)?)?;
        let cursor = bootstrap(process.addr, &token).await?;
        let mut socket = Light::open(process.addr).await?;
        match socket.greet(&token, Some(&cursor)).await? {
            Greeting::Welcome => sockets.push(socket),
            Greeting::Slot(_) => return Err("a server that lets all in refused".into()),
        }
    }
    let token = crowd::token(&keys, &crowd::user(0)?)?;
    let mut speaker = Light::open(process.addr).await?;
    speaker.greet(&token, None).await?;
    let frame = move |number| say(room, number).and_then(|said| Ok(serde_json::to_string(&said)?));
    deliveries(speaker, sockets, messages, frame).await
}

/// The same on the bare server.
pub(super) async fn bare(listeners: usize, messages: usize) -> Result<Rate, Error> {
    let process = Process::start(Kind::Bare).await?;
    let mut sockets = Vec::new();
    for _ in 0..listeners {
        sockets.push(Light::open_bare(process.addr).await?);
    }
    let speaker = Light::open_bare(process.addr).await?;
    let room = RoomId::from_uuid(uuid::Uuid::nil());
    deliveries(speaker, sockets, messages, move |number| {
        // As many bytes as the event has that our server writes.
        let op = op(number)?;
        let at = 1_760_000_000_000_u64;
        let event = serde_json::json!({
            "id": op.id, "room": room, "seq": number + 1, "sender": "user-00000", "at": at,
            "kind": "message", "content": op.content,
        });
        Ok(event.to_string())
    })
    .await
}

/// A message as an operation of its own.
fn say(room: RoomId, number: usize) -> Result<ClientFrame, Error> {
    Ok(ClientFrame::Send(RoomOps { room, ops: vec![op(number)?] }))
}

/// Says something of some length.
pub(super) fn op(number: usize) -> Result<Op, Error> {
    let text = format!("{number} {}", "word ".repeat(TEXT / 5));
    let content = Content::from_json(serde_json::json!({ "text": text }).to_string())?;
    Ok(Op { id: EventId::from_uuid(uuid::Uuid::now_v7()), kind: "message".into(), content })
}

async fn deliveries(
    speaker: Light,
    sockets: Vec<Light>,
    messages: usize,
    frame: impl Fn(usize) -> Result<String, Error>,
) -> Result<Rate, Error> {
    let listeners = sockets.len();
    let delivered = Arc::new(AtomicUsize::new(0));
    let frames = Arc::new(AtomicUsize::new(0));
    let ready = Arc::new(Barrier::new(listeners + 1));
    // The first of them hears for the speaker how many of his are still on their way.
    let may_say = Arc::new(Semaphore::new(ON_THEIR_WAY));
    let mut tasks = JoinSet::new();
    for (number, mut socket) in sockets.into_iter().enumerate() {
        let (delivered, frames) = (delivered.clone(), frames.clone());
        let (ready, may_say) = (ready.clone(), may_say.clone());
        tasks.spawn(async move {
            ready.wait().await;
            let mut heard = 0;
            while heard < messages {
                let news = match socket.hear::<Seen>().await? {
                    Heard::Page(page) => {
                        socket.took(&page).await?;
                        page.events.len()
                    }
                    Heard::Text(text) => {
                        serde_json::from_str::<Seen>(&text)?;
                        1
                    }
                    Heard::Ping => {
                        socket.say(&ClientFrame::Pong).await?;
                        0
                    }
                    Heard::Sent(_) | Heard::Refused(_) | Heard::Else => 0,
                    Heard::Gone => return Err("the server is gone".into()),
                };
                heard += news;
                frames.fetch_add(usize::from(news > 0), Ordering::Relaxed);
                delivered.fetch_add(news, Ordering::Relaxed);
                if number == 0 {
                    may_say.add_permits(news);
                }
            }
            Ok::<(), Error>(())
        });
    }
    ready.wait().await;
    let mut speaker = speaker.into_speaker();
    let begin = Instant::now();
    for number in 0..messages {
        may_say.acquire().await?.forget();
        speaker.say(frame(number)?).await?;
    }
    while let Some(heard) = tasks.join_next().await {
        heard??;
    }
    let delivered = delivered.load(Ordering::Relaxed) as f64;
    Ok(Rate {
        deliveries_per_second: delivered / begin.elapsed().as_secs_f64(),
        per_frame: delivered / frames.load(Ordering::Relaxed) as f64,
    })
}
