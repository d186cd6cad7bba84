//! Tier 2: two SQLite files for each account, the outbox and the cache, in a folder of its own that
//! is locked against a second user. Carries out the engine's transactions and queries, on threads
//! that all clients of the process share; decides nothing. What is damaged is mended when it is
//! opened (`files.rs`, `repair.rs`).

mod execute;
mod files;
mod fold;
#[cfg(test)]
mod fold_tests;
mod folder;
#[cfg(test)]
mod migration_tests;
mod migrations;
pub(crate) mod outgoing;
mod pace;
mod query;
mod repair;
mod search;
mod start;
#[cfg(test)]
mod tests;
mod threads;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidewire_protocol::{Event, UploadId};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::engine::{Query, Rows, Transaction};
use crate::error::StoreError;
pub(crate) use execute::Database;
use files::Opening;
use folder::Folder;
use outgoing::Outgoing;
use pace::Pace;
#[cfg(test)]
pub(crate) use threads::lane;
pub(crate) use threads::{Lane, files as files_lane};

/// A client's store. Its jobs run in the order in which they were given, but for queries that may
/// overtake.
#[derive(Debug)]
pub(crate) struct Store {
    lane: Lane,
    reading: Lane,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Locked by nobody but jobs on the lane, which run one after the other.
    state: Mutex<State>,
    /// Locked by jobs on the reading lane, and while the files are opened or closed.
    reader: Mutex<Reader>,
    /// Jobs given to the lane that are not done.
    jobs: AtomicUsize,
    /// How long commits that somebody waits for take, and pages.
    commits: Pace,
    pages: Pace,
    /// Where the files are; nowhere if everything is in memory.
    folder: Option<PathBuf>,
    /// Copies of files that are to be sent.
    outgoing: Arc<Outgoing>,
    accept_loss: bool,
}

/// One of the lane's jobs, until it is done.
struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.jobs.fetch_sub(1, Ordering::Release);
    }
}

#[derive(Debug)]
enum State {
    Open(Box<Open>),
    /// No file is open. The next job opens them again.
    Released,
    /// No file is open, because something in them is damaged. The next start looks through them.
    Damaged(String),
    Closed,
}

/// The connection that only reads.
#[derive(Debug)]
enum Reader {
    /// Not to be had: the files are closed, or nowhere.
    Off,
    /// Opened by the first who needs it.
    Ready(PathBuf),
    Open(Box<Database>),
}

/// Dropped in this order: the database is closed before the folder is unlocked.
#[derive(Debug)]
pub(crate) struct Open {
    database: Database,
    folder: Option<Folder>,
}

impl Store {
    /// Opens or creates the store in `folder`. Waits for the disk, off the caller's thread.
    pub(crate) async fn open(folder: &Path, accept_loss: bool) -> Result<Self, StoreError> {
        Self::start(Some(folder.to_owned()), accept_loss).await
    }

    /// A store in memory: nothing outlives the client.
    pub(crate) async fn in_memory() -> Result<Self, StoreError> {
        Self::start(None, false).await
    }

    async fn start(folder: Option<PathBuf>, accept_loss: bool) -> Result<Self, StoreError> {
        let outgoing = match &folder {
            Some(folder) => Outgoing::of(folder),
            None => Outgoing::temporary(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Released),
            reader: Mutex::new(Reader::Off),
            jobs: AtomicUsize::new(0),
            commits: Pace::new(),
            pages: Pace::new(),
            folder,
            outgoing,
            accept_loss,
        });
        let store = Self { lane: threads::lane()?, reading: threads::reading()?, shared };
        let (done, opened) = tokio::sync::oneshot::channel();
        store.run(move |shared| drop(done.send(shared.open(&mut shared.state(), None))));
        opened.await.map_err(|_| threads::gone())??;
        Ok(store)
    }

    /// The thread that this store's jobs run on, in order.
    pub(crate) fn lane(&self) -> Lane {
        self.lane.clone()
    }

    /// Does a job on the store's thread, after all that were given before.
    fn run(&self, job: impl FnOnce(&Shared) + Send + 'static) {
        Shared::run(self.shared.clone(), &self.lane, job);
    }

    /// Whether a job that somebody waits for is done on the thread that asks: it would be next, jobs of its kind
    /// are short here, so that each change of threads on the way there and back would take as long as the
    /// job, and the thread is one of a runtime that has others.
    fn is_done_here(&self, pace: &Pace) -> bool {
        let others = |runtime: Handle| runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
        let next = self.shared.jobs.load(Ordering::Acquire) == 0;
        next && pace.is_short() && Handle::try_current().is_ok_and(others)
    }

    /// The copies of files that are to be sent.
    pub(crate) fn outgoing(&self) -> Arc<Outgoing> {
        self.shared.outgoing.clone()
    }

    /// The copy of an uploaded file is done with, see [`Outgoing::done`].
    pub(crate) fn copy_done(&self, id: UploadId) {
        self.run(move |shared| shared.outgoing.done(id));
    }

    /// Carries out a transaction. Gives the messages that are not stored as the transaction gave them: at
    /// once if it is done where it was asked for, and then `done` is not called; else `done` is given them on
    /// the thread that did it.
    #[must_use = "what is given here is not told by `done`"]
    pub(crate) fn commit(
        &self,
        transaction: Transaction,
        done: impl FnOnce(Result<Vec<Event>, StoreError>) + Send + 'static,
    ) -> Option<Result<Vec<Event>, StoreError>> {
        let awaited = transaction.durable && transaction.independent;
        let execute =
            move |shared: &Shared| shared.with(false, |database| database.execute(&transaction));
        if !awaited {
            self.run(move |shared| done(execute(shared)));
        } else if self.is_done_here(&self.shared.commits) {
            return Some(self.shared.commits.note(|| execute(&self.shared)));
        } else {
            self.run(move |shared| done(shared.commits.note(|| execute(shared))));
        }
        None
    }

    /// Answers a query, at once or by `done` as [`Store::commit`] does.
    #[must_use = "what is given here is not told by `done`"]
    pub(crate) fn load(
        &self,
        query: Query,
        done: impl FnOnce(Result<Rows, StoreError>) + Send + 'static,
    ) -> Option<Result<Rows, StoreError>> {
        if query.may_overtake() {
            let (shared, lane) = (self.shared.clone(), self.lane.clone());
            self.reading.run(move || match shared.read(&query) {
                Some(Ok(rows)) => done(Ok(rows)),
                // Whoever writes opens the files, or finds the damage too.
                None | Some(Err(_)) => Shared::run(shared, &lane, move |shared| {
                    done(shared.load(&query));
                }),
            });
        } else if !query.is_a_page() {
            self.run(move |shared| done(shared.load(&query)));
        } else if self.is_done_here(&self.shared.pages) {
            return Some(self.shared.page(&query));
        } else {
            self.run(move |shared| done(shared.page(&query)));
        }
        None
    }

    /// What closes the files and unlocks the folder once it is called, after every job given before, and
    /// then calls `done` on the store's thread. What is in memory only stays as it is.
    pub(crate) fn releasing(
        &self,
        done: impl FnOnce() + Send + 'static,
    ) -> impl FnOnce() + Send + 'static {
        let (lane, shared) = (self.lane.clone(), self.shared.clone());
        move || {
            Shared::run(shared, &lane, move |shared| {
                let mut state = shared.state();
                if shared.folder.is_some() && matches!(*state, State::Open(_)) {
                    shared.close(&mut state, State::Released);
                }
                drop(state);
                done();
            });
        }
    }

    /// Closes the files and unlocks the folder, after every job given before. Waits for the disk.
    pub(crate) async fn close(&self) {
        let (done, closed) = tokio::sync::oneshot::channel();
        self.run(move |shared| {
            shared.close(&mut shared.state(), State::Closed);
            let _ = done.send(());
        });
        // The thread can only be gone with the process.
        let _ = closed.await;
    }

    /// Closes the files and deletes everything of the account. Waits for the disk.
    pub(crate) async fn erase(&self) -> Result<(), StoreError> {
        let (done, erased) = tokio::sync::oneshot::channel();
        self.run(move |shared| {
            let _ = done.send(shared.erase());
        });
        erased.await.map_err(|_| threads::gone())?
    }
}

impl Shared {
    fn run(shared: Arc<Self>, lane: &Lane, job: impl FnOnce(&Self) + Send + 'static) {
        shared.jobs.fetch_add(1, Ordering::Relaxed);
        let busy = Busy(shared);
        lane.run(move || job(&busy.0));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, state: &mut State, suspicion: Option<String>) -> Result<(), StoreError> {
        let open = match &self.folder {
            Some(folder) => {
                let opening = Opening { suspicion, accept_loss: self.accept_loss };
                let open = Open::with(folder, &opening)?;
                *self.reader() = Reader::Ready(open.database.path.clone());
                open
            }
            None => Open { database: Database::in_memory()?, folder: None },
        };
        *state = State::Open(Box::new(open));
        Ok(())
    }

    /// The reader first: whoever closes a database last writes its log back.
    fn close(&self, state: &mut State, closed: State) {
        *self.reader() = Reader::Off;
        *state = closed;
    }

    /// Runs a job on the database, which is opened if it was released. A start mends what is damaged; what
    /// builds on what was there before it does not.
    fn with<T>(
        &self,
        starts: bool,
        job: impl FnOnce(&mut Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.state();
        match &*state {
            State::Released => self.open(&mut state, None)?,
            State::Damaged(reason) if starts => {
                let reason = reason.clone();
                self.open(&mut state, Some(reason))?;
            }
            State::Damaged(_) => return Err(StoreError::Superseded),
            State::Open(_) | State::Closed => {}
        }
        let State::Open(open) = &mut *state else {
            return Err(StoreError::Io("the store is closed".into()));
        };
        let result = job(&mut open.database);
        if let Some(damage) = open.database.damage.take()
            && self.folder.is_some()
        {
            self.close(&mut state, State::Damaged(damage));
        }
        result
    }

    fn load(&self, query: &Query) -> Result<Rows, StoreError> {
        let mut rows =
            self.with(matches!(query, Query::Start(_)), |database| database.load(query))?;
        if let Rows::Start(start) = &mut rows {
            self.outgoing.settle(start.outbox.iter_mut().flat_map(|row| &mut row.files));
        }
        Ok(rows)
    }

    fn page(&self, query: &Query) -> Result<Rows, StoreError> {
        let rows = self.pages.note(|| self.load(query));
        if let Ok(Rows::Events(events)) = &rows {
            self.pages.read(events.iter().map(|event| event.content.as_json().len()).sum());
        }
        rows
    }

    /// Answers a query on the reading connection; nothing if there is none.
    fn read(&self, query: &Query) -> Option<Result<Rows, StoreError>> {
        let mut reader = self.reader();
        if let Reader::Ready(path) = &*reader {
            match Database::reader(path) {
                Ok(database) => *reader = Reader::Open(Box::new(database)),
                Err(error) => return Some(Err(error)),
            }
        }
        match &mut *reader {
            Reader::Open(database) => Some(database.query(query)),
            Reader::Off | Reader::Ready(_) => None,
        }
    }

    fn erase(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        self.outgoing.close();
        *self.reader() = Reader::Off;
        let Some(folder) = &self.folder else {
            *state = State::Closed;
            return Ok(());
        };
        let lock = match std::mem::replace(&mut *state, State::Closed) {
            State::Open(open) => open.close(),
            State::Released | State::Damaged(_) => Some(Folder::lock(folder)?),
            State::Closed => None,
        };
        lock.map_or(Ok(()), Folder::erase)
    }
}

impl Open {
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn files(path: &Path) -> Result<Self, StoreError> {
        Self::with(path, &Opening::default())
    }

    fn with(path: &Path, opening: &Opening) -> Result<Self, StoreError> {
        let folder = Folder::lock(path)?;
        let database = Database::open(&folder.paths(), opening)?;
        Ok(Self { database, folder: Some(folder) })
    }

    /// Closes the database; what is left is the folder, still locked.
    fn close(self) -> Option<Folder> {
        drop(self.database);
        self.folder
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn database(&mut self) -> &mut Database {
        &mut self.database
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.run(|shared| shared.close(&mut shared.state(), State::Closed));
    }
}
