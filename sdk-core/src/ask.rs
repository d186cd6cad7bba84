//! What the handles ask of the client's task, and the way to it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tidewire_protocol::{Profile, RoomId, RoomState, UploadId};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{
    Command, ListId, Reply, RoomListUpdate, Signal, Subject, TimelineId, TimelineUpdate, Why,
};
use crate::error::Error;
use crate::mailbox::Mailbox;
use crate::store::outgoing::Copy;

/// What the handles ask of the driver. Unbounded, because signals come from threads that must not
/// wait; each caller of a command waits for its answer, so that callers bound it.
#[derive(Debug)]
pub(crate) enum Ask {
    Command(Command, oneshot::Sender<Result<Reply, Error>>),
    OpenTimeline(
        TimelineId,
        Arc<Mailbox<TimelineUpdate>>,
        Command,
        oneshot::Sender<Result<Reply, Error>>,
    ),
    CloseTimeline(TimelineId),
    /// Files are copied, off every task: where each is, for which upload, and how large it may be.
    Copy(Vec<(PathBuf, UploadId)>, u64, oneshot::Sender<Result<Vec<Copy>, Error>>),
    OpenRoomList(
        ListId,
        Arc<Mailbox<RoomListUpdate>>,
        Command,
        oneshot::Sender<Result<Reply, Error>>,
    ),
    CloseRoomList(ListId),
    /// A command that has no answer.
    Tell(Command),
    Signal(Signal),
    /// The user has pressed a key.
    Key(Key),
    /// Answered once the engine has settled into what the signal asks for.
    Settle(Signal, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// The rooms with keystrokes that the client's task has not heard of yet. A std mutex, because
/// nothing awaits while it is held.
type Keys = Arc<Mutex<BTreeSet<RoomId>>>;

/// A keystroke on its way: while it is, others in the same room add nothing.
#[derive(Debug)]
pub(crate) struct Key {
    room: RoomId,
    keys: Keys,
}

impl Key {
    pub(crate) fn room(&self) -> RoomId {
        self.room
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.room);
    }
}

/// The way to the client's task.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    asks: mpsc::UnboundedSender<Ask>,
    keys: Keys,
}

impl Asker {
    pub(crate) fn new(asks: mpsc::UnboundedSender<Ask>) -> Self {
        Self { asks, keys: Keys::default() }
    }

    pub(crate) fn tell(&self, ask: Ask) -> Result<(), Error> {
        self.asks.send(ask).map_err(|_| Error::Closed)
    }

    /// The same way, which keeps no client running.
    pub(crate) fn weak(&self) -> mpsc::WeakUnboundedSender<Ask> {
        self.asks.downgrade()
    }

    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        self.tell(Ask::Command(command, reply))?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Has files copied. A future that is dropped leaves nothing behind.
    pub(crate) async fn copy(
        &self,
        files: Vec<(PathBuf, UploadId)>,
        most: u64,
    ) -> Result<Vec<Copy>, Error> {
        let (reply, copies) = oneshot::channel();
        self.tell(Ask::Copy(files, most, reply))?;
        copies.await.map_err(|_| Error::Closed)?
    }

    /// Tells of a keystroke. However fast they come, one at a time waits for each room.
    pub(crate) fn key(&self, room: RoomId) {
        let fresh = self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(room);
        if fresh {
            // After `close` nobody types any more.
            let _ = self.tell(Ask::Key(Key { room, keys: self.keys.clone() }));
        }
    }

    pub(crate) async fn room(&self, command: Command) -> Result<RoomState, Error> {
        match self.ask(command).await? {
            Reply::Room(state) => Ok(*state),
            other => Err(self.unexpected(&other)),
        }
    }

    pub(crate) async fn why(&self, subject: Subject) -> Result<Why, Error> {
        match self.ask(Command::Why(subject)).await? {
            Reply::Why(why) => Ok(*why),
            other => Err(self.unexpected(&other)),
        }
    }

    pub(crate) async fn profiles(&self, command: Command) -> Result<Vec<Profile>, Error> {
        match self.ask(command).await? {
            Reply::Profiles(profiles) => Ok(profiles),
            other => Err(self.unexpected(&other)),
        }
    }

    /// An answer of another kind than the command's: a defect of the engine, told rather than
    /// panicked over, because an app must not die of it.
    pub(crate) fn unexpected(&self, reply: &Reply) -> Error {
        tracing::error!(?reply, "an answer of another command");
        Error::Closed
    }
}
