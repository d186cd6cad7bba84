//! What the handles ask of the client's task, and the way to it.

use std::sync::Arc;

use tidewire_protocol::{Profile, RoomState};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Command, Reply, Signal, Subject, TimelineId, Why};
use crate::error::Error;
use crate::mailbox::Mailbox;

/// What the handles ask of the driver. Unbounded, because signals come from threads that must not
/// wait; each caller of a command waits for its answer, so that callers bound it.
#[derive(Debug)]
pub(crate) enum Ask {
    Command(Command, oneshot::Sender<Result<Reply, Error>>),
    OpenTimeline(TimelineId, Arc<Mailbox>, Command, oneshot::Sender<Result<Reply, Error>>),
    CloseTimeline(TimelineId),
    /// A command that has no answer.
    Tell(Command),
    Signal(Signal),
    /// Answered once the engine has settled into what the signal asks for.
    Settle(Signal, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// The way to the client's task.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    asks: mpsc::UnboundedSender<Ask>,
}

impl Asker {
    pub(crate) fn new(asks: mpsc::UnboundedSender<Ask>) -> Self {
        Self { asks }
    }

    pub(crate) fn tell(&self, ask: Ask) -> Result<(), Error> {
        self.asks.send(ask).map_err(|_| Error::Closed)
    }

    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        self.tell(Ask::Command(command, reply))?;
        answer.await.map_err(|_| Error::Closed)?
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
