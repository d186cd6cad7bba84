//! A user with a light client: the protocol, and nothing but a cursor. After whatever happens he comes back as the
//! protocol says: in the slot that the server gives, or after a random pause that grows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tidewire::{EventId, RoomId, UserId};
use tidewire_protocol::{ClientFrame, Content, Cursor, Op, OpOutcome, RoomOps, Seq};
use tokio::sync::{Semaphore, watch};

use super::Error;
use super::reader::Reader;
use super::shared::{By, Orders, Shared};
use crate::server::light::{Greeting, Heard, Light, Pushed, begin, call};

/// The first pause of a client that finds nobody, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(25));

/// What is looked at of an event.
#[derive(Debug, Deserialize)]
struct Said {
    room: RoomId,
    seq: Seq,
    sender: Option<UserId>,
    content: Words,
}

#[derive(Debug, Deserialize)]
struct Words {
    text: Option<String>,
}

/// A page of history.
#[derive(Debug, Deserialize)]
struct Page {
    messages: Vec<Said>,
    covers: Option<(Seq, Seq)>,
}

/// Somebody with a light client.
pub(crate) struct LightUser {
    pub(crate) server: SocketAddr,
    pub(crate) user: UserId,
    pub(crate) token: String,
    /// His room, and which of the run's it is.
    pub(crate) room: RoomId,
    pub(crate) room_number: usize,
    /// The head of the room before anybody talked, where he is there before that.
    pub(crate) first: Option<u64>,
    /// Between two of his messages, in the mean.
    pub(crate) pause: Duration,
    pub(crate) text_bytes: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) doors: Arc<Semaphore>,
    pub(crate) rng: fastrand::Rng,
}

/// What is open while he is here.
struct Session {
    cursor: Cursor,
    reader: Reader,
    orders: watch::Receiver<Orders>,
    cuts: u32,
    /// His message on its way: the same one again until he has an answer.
    pending: Option<Op>,
    /// When it goes out again, where the server was busy.
    again: Option<Instant>,
    /// Up to where history was read: what of that comes by the feed as well is no repeat.
    history: u64,
    next: Instant,
    backoff: Duration,
    said_ready: bool,
}

/// Why a connection is over.
enum End {
    Lost,
    /// The server said when to come back.
    Slot(u64),
    /// Everything was heard, or nobody waits any longer.
    Done,
}

impl LightUser {
    /// Lives until he has heard everything or is told to leave; gives what he has heard.
    pub(crate) async fn live(mut self) -> Result<Reader, Error> {
        let begun = {
            let _turn = self.doors.acquire().await?;
            begin(self.server, &self.token).await?
        };
        let head = begun.rooms.iter().find(|room| room.id == self.room);
        let head = head.ok_or("a user's room is not among his rooms")?.head_seq.get();
        let mut session = Session {
            cursor: begun.cursor,
            reader: Reader::new(self.first.unwrap_or(head)),
            orders: self.shared.orders(),
            cuts: self.shared.orders().borrow().cuts,
            pending: None,
            again: None,
            history: 0,
            next: Instant::now(),
            backoff: PAUSE.0,
            said_ready: false,
        };
        loop {
            let end = match self.connected(&session).await {
                Ok((socket, Greeting::Welcome)) => {
                    self.shared.moved(None, Some(By::Light));
                    session.backoff = PAUSE.0;
                    if !std::mem::replace(&mut session.said_ready, true) {
                        session.next = Instant::now() + self.pause.mul_f64(self.rng.f64());
                        self.shared.ready();
                    }
                    let end = self.talk(socket, &mut session).await;
                    self.shared.moved(Some(By::Light), None);
                    end.unwrap_or(End::Lost)
                }
                Ok((_, Greeting::Slot(ms))) => End::Slot(ms),
                Err(_) => End::Lost,
            };
            let wait = match end {
                End::Done => return Ok(session.reader),
                End::Slot(ms) => {
                    self.shared.refused();
                    Duration::from_millis(ms)
                }
                End::Lost => {
                    let wait = session.backoff.mul_f64(self.rng.f64());
                    session.backoff = PAUSE.1.min(session.backoff * 2);
                    wait
                }
            };
            let left = session.orders.wait_for(|orders| orders.leave);
            if tokio::time::timeout(wait, left).await.is_ok() {
                return Ok(session.reader);
            }
        }
    }

    async fn connected(&self, session: &Session) -> Result<(Light, Greeting), Error> {
        // At the beginning nobody has anything from a crowd at the door; a storm is a storm.
        let _turn = match session.said_ready {
            false => Some(self.doors.acquire().await?),
            true => None,
        };
        let mut socket = Light::open(self.server).await?;
        let greeting = socket.greet(&self.token, Some(&session.cursor)).await?;
        Ok((socket, greeting))
    }

    async fn talk(&mut self, mut socket: Light, session: &mut Session) -> Result<End, Error> {
        if let Some(op) = &session.pending {
            self.send(&mut socket, op).await?;
        }
        loop {
            {
                let orders = session.orders.borrow_and_update();
                let head = orders.heads.as_ref().and_then(|heads| heads.get(self.room_number));
                let complete = head.is_some_and(|head| session.reader.complete_to() >= *head);
                if orders.leave || complete {
                    return Ok(End::Done);
                }
                if orders.cuts != session.cuts {
                    session.cuts = orders.cuts;
                    return Ok(End::Lost);
                }
            }
            let talks = session.orders.borrow().talk && session.pending.is_none();
            tokio::select! {
                heard = socket.hear() => match heard? {
                    Heard::Page(page) => {
                        socket.took(&page).await?;
                        self.takes(page, session).await?;
                    }
                    Heard::Sent(sent) => self.hears_of_his_own(&sent, session),
                    Heard::Refused(Some(ms)) => return Ok(End::Slot(ms)),
                    Heard::Ping => socket.say(&ClientFrame::Pong).await?,
                    Heard::Gone | Heard::Refused(None) => return Ok(End::Lost),
                    Heard::Else | Heard::Text(_) => {}
                },
                () = at(session.again), if session.again.is_some() => {
                    session.again = None;
                    if let Some(op) = &session.pending {
                        self.send(&mut socket, op).await?;
                    }
                }
                () = at(Some(session.next)), if talks => {
                    session.next = Instant::now() + self.pause.mul_f64(0.5 + self.rng.f64());
                    let text = serde_json::json!({ "text": self.shared.text(self.text_bytes) });
                    let content = Content::from_json(text.to_string())?;
                    let id = EventId::from_uuid(uuid::Uuid::now_v7());
                    let op = Op { id, kind: "message".into(), content };
                    self.shared.sends(self.room_number);
                    session.pending = Some(op.clone());
                    self.send(&mut socket, &op).await?;
                }
                changed = session.orders.changed() => changed?,
            }
        }
    }

    async fn send(&self, socket: &mut Light, op: &Op) -> Result<(), Error> {
        let ops = RoomOps { room: self.room, ops: vec![op.clone()] };
        socket.say(&ClientFrame::Send(ops)).await
    }

    fn hears_of_his_own(&self, sent: &tidewire_protocol::Sent, session: &mut Session) {
        let Some(pending) = &session.pending else { return };
        let result = sent.results.iter().find(|result| result.id == pending.id);
        match result.map(|result| &result.outcome) {
            Some(OpOutcome::Accepted { .. }) => self.shared.settled(),
            Some(OpOutcome::Refused { .. }) => self.shared.refused_for_good(self.room_number),
            Some(OpOutcome::NotTried) | None => {
                let ms = sent.error.as_ref().and_then(|error| error.retry_after_ms);
                session.again = Some(Instant::now() + Duration::from_millis(ms.unwrap_or(1_000)));
                return;
            }
        }
        session.pending = None;
    }

    /// Takes what a page says, and asks for what it leaves out.
    async fn takes(&self, page: Pushed<Said>, session: &mut Session) -> Result<(), Error> {
        for limited in page.limited.iter().filter(|limited| limited.id == self.room) {
            let head = limited.head_seq.get();
            session.history = session.history.max(head);
            self.catch_up(head, &mut session.reader).await?;
        }
        // From here on nothing is waited for: a page counts with its cursor or not at all.
        for said in page.events.iter().filter(|said| said.room == self.room) {
            let seq = said.seq.get();
            let known = seq <= session.reader.base().max(session.history);
            if !self.hears(said, &mut session.reader) && !known {
                session.reader.repeats();
            }
        }
        session.cursor = page.to;
        Ok(())
    }

    fn hears(&self, said: &Said, reader: &mut Reader) -> bool {
        let new = reader.hears(said.seq.get());
        if new {
            let own = said.sender.as_ref() == Some(&self.user);
            self.shared.heard(By::Light, said.content.text.as_deref(), own);
        }
        new
    }

    /// Reads the history up to `head` from where it was heard completely.
    async fn catch_up(&self, head: u64, reader: &mut Reader) -> Result<(), Error> {
        let mut at = reader.complete_to();
        while at < head {
            let path = format!("/v1/rooms/{}/messages?after={at}&limit=200", self.room);
            let answer = call(self.server, &self.token, "GET", &path, "").await?;
            let page: Page = serde_json::from_str(&answer)?;
            for said in page.messages.iter().filter(|said| said.seq.get() <= head) {
                self.hears(said, reader);
            }
            let Some((_, last)) = page.covers else { break };
            at = last.get();
        }
        Ok(())
    }
}

/// Waits until then.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
