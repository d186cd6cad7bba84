//! Where a simulated client's store is.

use std::path::{Path, PathBuf};

use tidewire_protocol::Event;

use crate::engine::{Query, Rows, Sizes, Transaction};
use crate::error::StoreError;
use crate::store::{Database, Open};

/// A client's store: the driver's place between engine and SQLite. A test may put its own around
/// another one, to see what becomes of a client whose disk does not do as it should.
pub trait Disk: std::fmt::Debug {
    /// Carries out a transaction, all of it or nothing. Gives each message that it changed and that is
    /// not stored as it was given.
    ///
    /// # Errors
    /// What the engine is to hear. Then everything that builds on it has to fail too, as
    /// [`Disk::fail`] says.
    fn execute(&mut self, transaction: &Transaction) -> Result<Vec<Event>, StoreError>;

    /// Answers a query of the engine. [`Query::Start`] ends what [`Disk::fail`] began.
    ///
    /// # Errors
    /// What the engine is to hear.
    fn load(&mut self, query: &Query) -> Result<Rows, StoreError>;

    /// Answers a query of a test, which changes nothing.
    ///
    /// # Errors
    /// What SQLite says.
    fn peek(&mut self, query: &Query) -> Result<Rows, StoreError>;

    /// A transaction was undone: until the engine loads anew, those that build on it fail as
    /// [`StoreError::Superseded`].
    fn fail(&mut self);

    /// Lets go of the files. The next query opens them again.
    fn release(&mut self) {}

    /// The process is killed; `committing`: just as a transaction was carried out, of which nobody has
    /// heard. What was committed stays, unless the power failed as well.
    fn die(&mut self, committing: bool) {
        let _ = committing;
        self.release();
    }
}

/// SQLite in memory, with the real transaction executor.
#[derive(Debug)]
pub struct MemoryDisk(Database);

impl MemoryDisk {
    /// An empty one.
    pub fn new() -> Self {
        Self(Database::in_memory().unwrap())
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for MemoryDisk {
    fn execute(&mut self, transaction: &Transaction) -> Result<Vec<Event>, StoreError> {
        self.0.execute(transaction)
    }

    fn load(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.0.load(query)
    }

    fn peek(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.0.query(query)
    }

    fn fail(&mut self) {
        self.0.fail();
    }
}

/// SQLite in a folder, locked and let go of as a real client does it. Used from one thread.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    open: Option<Open>,
    failed: bool,
}

impl FileDisk {
    /// The store in `folder`, which is made if it is not there.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self { folder: folder.as_ref().to_owned(), open: None, failed: false }
    }

    fn database(&mut self) -> Result<&mut Database, StoreError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let mut open = Open::files(&self.folder)?;
                if self.failed {
                    open.database().fail();
                }
                open
            }
        };
        Ok(self.open.insert(open).database())
    }
}

impl Disk for FileDisk {
    fn execute(&mut self, transaction: &Transaction) -> Result<Vec<Event>, StoreError> {
        self.database()?.execute(transaction)
    }

    fn load(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.failed &= !matches!(query, Query::Start(_));
        self.database()?.load(query)
    }

    fn peek(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.database()?.query(query)
    }

    fn fail(&mut self) {
        self.failed = true;
        if let Some(open) = &mut self.open {
            open.database().fail();
        }
    }

    fn release(&mut self) {
        self.open = None;
    }
}

/// No store at all: every commit succeeds, and nothing is ever found. For crowds that are to be
/// counted, where a database for each of thousands would be most of the memory and of the time.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoDisk;

impl Disk for NoDisk {
    fn execute(&mut self, _: &Transaction) -> Result<Vec<Event>, StoreError> {
        Ok(Vec::new())
    }

    fn load(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.peek(query)
    }

    fn peek(&mut self, query: &Query) -> Result<Rows, StoreError> {
        Ok(match query {
            Query::Start(_) => Rows::Start(Box::default()),
            Query::Receipts { .. } => Rows::Receipts(Vec::new()),
            Query::Tails { .. } => Rows::Tails(Vec::new()),
            Query::Newest { .. }
            | Query::Before { .. }
            | Query::Event(..)
            | Query::Messages { .. }
            | Query::Thread { .. }
            | Query::After { .. }
            | Query::Around { .. } => Rows::Events(Vec::new()),
            Query::Search(_) => Rows::Search(Box::default()),
            Query::Unindexed => Rows::Unindexed(Vec::new()),
            Query::Profiles(_) => Rows::Profiles(Vec::new()),
            Query::Sizes => Rows::Sizes(Sizes::default()),
        })
    }

    fn fail(&mut self) {}
}
