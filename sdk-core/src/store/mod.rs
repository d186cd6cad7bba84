//! Tier 2: one SQLite file for each account, in a folder of its own that is locked against a
//! second user. Carries out the engine's transactions and queries, on threads that all clients of
//! the process share; decides nothing.

mod execute;
mod fold;
#[cfg(test)]
mod fold_tests;
mod folder;
mod migrations;
mod query;
mod threads;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tidewire_protocol::Event;

use crate::engine::{Query, Rows, Transaction};
use crate::error::StoreError;
pub(crate) use execute::Database;
use folder::Folder;
pub(crate) use threads::Lane;
#[cfg(test)]
pub(crate) use threads::lane;

/// A client's store. Its jobs run in the order in which they were given.
#[derive(Debug)]
pub(crate) struct Store {
    lane: Lane,
    /// Locked by nobody but jobs on the lane, which run one after the other.
    state: Arc<Mutex<State>>,
    /// Where the files are; nowhere if everything is in memory.
    folder: Option<PathBuf>,
}

#[derive(Debug)]
enum State {
    Open(Box<Open>),
    /// No file is open. The next job opens them again.
    Released,
    Closed,
}

/// Dropped in this order: the database is closed before the folder is unlocked.
#[derive(Debug)]
pub(crate) struct Open {
    database: Database,
    _folder: Option<Folder>,
}

impl Store {
    /// Opens or creates the store in `folder`. Waits for the disk, off the caller's thread.
    pub(crate) async fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.to_owned();
        Self::start(Some(folder.to_owned()), move || Open::files(&path)).await
    }

    /// A store in memory: nothing outlives the client.
    pub(crate) async fn in_memory() -> Result<Self, StoreError> {
        Self::start(None, || Ok(Open { database: Database::in_memory()?, _folder: None })).await
    }

    async fn start(
        folder: Option<PathBuf>,
        open: impl FnOnce() -> Result<Open, StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let lane = threads::lane()?;
        let (done, opened) = tokio::sync::oneshot::channel();
        lane.run(move || drop(done.send(open())));
        let open = opened.await.map_err(|_| threads::gone())??;
        Ok(Self { lane, state: Arc::new(Mutex::new(State::Open(Box::new(open)))), folder })
    }

    /// The thread that this store's jobs run on, in order.
    pub(crate) fn lane(&self) -> Lane {
        self.lane.clone()
    }

    /// Carries out a transaction, then calls `done` on the store's thread, with the messages that
    /// are not stored as the transaction gave them.
    pub(crate) fn commit(
        &self,
        transaction: Transaction,
        done: impl FnOnce(Result<Vec<Event>, StoreError>) + Send + 'static,
    ) {
        self.job(move |database| done(database.and_then(|db| db.execute(&transaction))));
    }

    /// Answers a query, then calls `done` on the store's thread.
    pub(crate) fn load(
        &self,
        query: Query,
        done: impl FnOnce(Result<Rows, StoreError>) + Send + 'static,
    ) {
        self.job(move |database| done(database.and_then(|db| db.load(&query))));
    }

    fn job(&self, job: impl FnOnce(Result<&mut Database, StoreError>) + Send + 'static) {
        let state = self.state.clone();
        let folder = self.folder.clone();
        self.lane.run(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if let (State::Released, Some(folder)) = (&*state, &folder) {
                match Open::files(folder) {
                    Ok(open) => *state = State::Open(Box::new(open)),
                    Err(error) => return job(Err(error)),
                }
            }
            match &mut *state {
                State::Open(open) => job(Ok(&mut open.database)),
                State::Released | State::Closed => {
                    job(Err(StoreError::Io("the store is closed".into())));
                }
            }
        });
    }

    /// Closes the file and unlocks the folder, after every job given before, then calls `done` on
    /// the store's thread. What is in memory only stays as it is.
    pub(crate) fn release(&self, done: impl FnOnce() + Send + 'static) {
        let state = self.state.clone();
        let has_files = self.folder.is_some();
        self.lane.run(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if has_files && matches!(*state, State::Open(_)) {
                *state = State::Released;
            }
            drop(state);
            done();
        });
    }

    /// Closes the file and unlocks the folder, after every job given before. Waits for the disk.
    pub(crate) async fn close(&self) {
        let (done, closed) = tokio::sync::oneshot::channel();
        let state = self.state.clone();
        self.lane.run(move || {
            *state.lock().unwrap_or_else(PoisonError::into_inner) = State::Closed;
            let _ = done.send(());
        });
        // The thread can only be gone with the process.
        let _ = closed.await;
    }
}

impl Open {
    pub(crate) fn files(path: &Path) -> Result<Self, StoreError> {
        let folder = Folder::lock(path)?;
        let database = Database::open(&folder.database_path())?;
        Ok(Self { database, _folder: Some(folder) })
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn database(&mut self) -> &mut Database {
        &mut self.database
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let state = self.state.clone();
        self.lane.run(move || {
            *state.lock().unwrap_or_else(PoisonError::into_inner) = State::Closed;
        });
    }
}
