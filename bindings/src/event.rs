//! What a client tells of itself, besides its mode and its timelines.

use std::sync::Arc;

use tidewire::Problem;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::cancel::CancelToken;
use crate::error::TidewireError;
use crate::message::FailReason;
use crate::presence::PeerPresence;
use crate::report::Repair;
use crate::room::Unread;
use crate::subscription::{Reader, Source};

/// Most events of one batch.
const BATCH: usize = 64;

/// What a client tells of itself.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum ClientEvent {
    /// Some room of the list changed: ask for the rooms when it matters.
    RoomsChanged,
    /// What is unread of all rooms together is another number. At most every 100 ms.
    UnreadTotalChanged {
        /// It.
        total: Unread,
    },
    /// The profiles of these users are others than before, or known for the first time.
    ProfilesChanged {
        /// Whose.
        users: Vec<String>,
    },
    /// Whom the user has blocked now: all of them, by user id.
    BlockedChanged {
        /// Who.
        users: Vec<String>,
    },
    /// Where these users stand now, of those whose place has changed: members of watched rooms.
    PresenceChanged {
        /// Who, and where.
        changes: Vec<PeerPresence>,
    },
    /// All who type in a watched room now, the user excepted.
    TypingChanged {
        /// The room.
        room: String,
        /// Who; empty when nobody does any more.
        users: Vec<String>,
    },
    /// No token is to be had, or the server takes none of them: sends wait, reading stops.
    AuthRequired {
        /// Why.
        reason: String,
    },
    /// The token belongs to another user: nothing is read or sent with it.
    WrongUser {
        /// Whose it is.
        token_user: String,
    },
    /// The store failed: reading stops until it works again. What was shown is still true.
    StoreFailed {
        /// What is wrong.
        reason: String,
    },
    /// The store works again.
    StoreRecovered,
    /// Something on disk was damaged. What is told here has been done; nothing is left to do.
    Repaired {
        /// What was damaged, and what became of it.
        repair: Repair,
    },
    /// The server refused what was sent. A message stays in the outbox as failed; an edit, a deletion
    /// or a reaction is given up, and shows no more.
    SendFailed {
        /// The room.
        room: String,
        /// What was sent: if it was a message, that.
        id: String,
        /// The message that was to be changed, if it was an edit, a deletion or a reaction.
        target: Option<String>,
        /// Why.
        reason: FailReason,
    },
}

/// Events, in the order in which they happened.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct EventBatch {
    /// 1, 2, 3 …; asking for what comes after it acknowledges this one.
    pub number: u64,
    /// The events. There may be none, if some were dropped.
    pub events: Vec<ClientEvent>,
    /// How many were dropped before them, because the reader was too slow.
    pub missed: u64,
}

/// What a client tells of itself, from the subscription on.
#[derive(uniffi::Object)]
pub struct EventSubscription {
    reader: Arc<Reader<Events>>,
}

struct Events {
    receiver: broadcast::Receiver<tidewire::ClientEvent>,
    /// The last batch, until it is acknowledged.
    last: EventBatch,
    /// How many were dropped that no batch has told of yet.
    missed: u64,
}

impl EventSubscription {
    pub(crate) fn new(receiver: broadcast::Receiver<tidewire::ClientEvent>) -> Self {
        let last = EventBatch { number: 0, events: Vec::new(), missed: 0 };
        Self { reader: Reader::new(Events { receiver, last, missed: 0 }) }
    }
}

#[uniffi::export]
impl EventSubscription {
    /// The next events, once there are some: those of the first batch with a number above `after`.
    /// Waits for neither network nor disk.
    ///
    /// # Errors
    /// `Closed`, `Cancelled`, `AlreadyWaiting`.
    pub async fn next(
        &self,
        after: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<EventBatch, TidewireError> {
        self.reader.next(after, cancel).await
    }

    /// Ends the subscription: `next` says `Closed` from now on.
    pub fn cancel(&self) {
        self.reader.close();
    }
}

impl Source for Events {
    type Batch = EventBatch;

    async fn next(&mut self, after: u64) -> Result<EventBatch, TidewireError> {
        if self.last.number > after {
            return Ok(self.last.clone());
        }
        let mut events = Vec::new();
        // The only await: when it is dropped, nothing has been taken that is not in `self`.
        while events.is_empty() && self.missed == 0 {
            match self.receiver.recv().await {
                Ok(event) => take(&mut events, event),
                Err(RecvError::Lagged(count)) => self.missed += count,
                Err(RecvError::Closed) => return Err(TidewireError::Closed),
            }
        }
        while events.len() < BATCH {
            match self.receiver.try_recv() {
                Ok(event) => take(&mut events, event),
                Err(TryRecvError::Lagged(count)) => self.missed += count,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let missed = std::mem::take(&mut self.missed);
        self.last = EventBatch { number: self.last.number.max(after) + 1, events, missed };
        Ok(self.last.clone())
    }
}

/// Puts an event into a batch. Modes have a subscription of their own, and that the rooms changed
/// is said once.
fn take(events: &mut Vec<ClientEvent>, event: tidewire::ClientEvent) {
    let event = match event {
        tidewire::ClientEvent::Mode(_) => return,
        tidewire::ClientEvent::UnreadTotalChanged(total) => {
            ClientEvent::UnreadTotalChanged { total: total.into() }
        }
        tidewire::ClientEvent::RoomsChanged => ClientEvent::RoomsChanged,
        tidewire::ClientEvent::ProfilesChanged(users) => {
            ClientEvent::ProfilesChanged { users: users.iter().map(ToString::to_string).collect() }
        }
        tidewire::ClientEvent::BlockedChanged(users) => {
            ClientEvent::BlockedChanged { users: users.iter().map(ToString::to_string).collect() }
        }
        tidewire::ClientEvent::PresenceChanged(changes) => {
            let peer = |(user, presence): (tidewire::UserId, tidewire::Presence)| PeerPresence {
                user: user.to_string(),
                presence: presence.into(),
            };
            ClientEvent::PresenceChanged { changes: changes.into_iter().map(peer).collect() }
        }
        tidewire::ClientEvent::TypingChanged { room, users } => ClientEvent::TypingChanged {
            room: room.to_string(),
            users: users.iter().map(ToString::to_string).collect(),
        },
        tidewire::ClientEvent::Problem(problem) => problem.into(),
    };
    if event != ClientEvent::RoomsChanged || !events.contains(&event) {
        events.push(event);
    }
}

impl From<Problem> for ClientEvent {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::AuthRequired { reason } => Self::AuthRequired { reason },
            Problem::WrongUser { token_user } => {
                Self::WrongUser { token_user: token_user.to_string() }
            }
            Problem::StoreFailed(error) => Self::StoreFailed { reason: error.to_string() },
            Problem::StoreRecovered => Self::StoreRecovered,
            Problem::Repaired(repair) => Self::Repaired { repair: repair.into() },
            Problem::SendFailed { room, id, target, reason } => Self::SendFailed {
                room: room.to_string(),
                id: id.to_string(),
                target: target.map(|target| target.to_string()),
                reason: reason.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_batch_comes_again_until_it_is_acknowledged_and_says_what_was_missed() {
        let (sender, receiver) = broadcast::channel(2);
        let events = EventSubscription::new(receiver);
        let recovered = || tidewire::ClientEvent::Problem(Problem::StoreRecovered);
        sender.send(recovered()).unwrap();
        let first = events.next(0, None).await.unwrap();
        assert_eq!((first.number, first.missed), (1, 0));
        assert_eq!(events.next(0, None).await.unwrap(), first, "the answer may have been lost");
        for _ in 0..3 {
            sender.send(tidewire::ClientEvent::RoomsChanged).unwrap();
        }
        let second = events.next(1, None).await.unwrap();
        assert_eq!((second.number, second.missed), (2, 1));
        assert_eq!(second.events, [ClientEvent::RoomsChanged], "said once");
        drop(sender);
        assert_eq!(events.next(2, None).await, Err(TidewireError::Closed));
    }

    #[tokio::test]
    async fn a_loss_is_told_at_once_even_if_there_is_nothing_else_to_tell() {
        let (sender, receiver) = broadcast::channel(2);
        let last = EventBatch { number: 0, events: Vec::new(), missed: 0 };
        let mut events = Events { receiver, last, missed: 0 };
        // What is left in the channel is nothing that these batches tell.
        for _ in 0..5 {
            let (mode, reason) = (tidewire::Mode::Offline, tidewire::Reason::Starting);
            let report = tidewire::ModeReport { mode, reason };
            sender.send(tidewire::ClientEvent::Mode(report)).unwrap();
        }
        let mut next = Box::pin(events.next(0));
        let once = std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
        let Poll::Ready(Ok(batch)) = once else { panic!("{once:?}") };
        assert_eq!((batch.missed, batch.events), (3, Vec::new()));
        drop(next);
        assert_eq!(events.missed, 0, "told once");
    }
}
