//! For benchmarks, with the feature `measure`: the log on PostgreSQL alone, without sockets, HTTP and whoever
//! listens. Nothing that a server or an app needs.

use std::sync::Arc;

use tidewire_protocol::{NewRoom, Op, OpResult, RoomId, UserId, WireError};

use crate::bus::{Bus, InProcess};
use crate::server::StartError;
use crate::store::Store;
use crate::store::hot::{Hot, HotCounts};
use crate::store::postgres::{self, PostgresStore};

/// Digest of a secret that nobody signs with.
const MARK: &[u8] = b"measure";

/// Most members of a room.
const MEMBERS: u32 = 100;

/// The log in a PostgreSQL database, as the server writes it.
pub struct Log(PostgresStore);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

impl Log {
    /// Opens a database that [`migrate`](crate::migrate) has prepared. Waits for the network.
    ///
    /// # Errors
    /// [`StartError::Postgres`], which says what to do.
    pub async fn open(postgres_url: &str) -> Result<Self, StartError> {
        let failed =
            |error: postgres::OpenError| StartError::Postgres { reason: error.to_string() };
        let options = postgres::Options {
            url: postgres_url,
            read_url: None,
            secret: MARK,
            instance: None,
            max_members: MEMBERS,
            hot: Arc::new(Hot::new(0, HotCounts::default())),
        };
        let bus: Arc<dyn Bus> = Arc::new(InProcess::new(postgres::SHARDS));
        let ready = postgres::look(&options).await.map_err(failed)?;
        Ok(Self(PostgresStore::open(options, ready, bus).await.map_err(failed)?))
    }

    /// Makes a room. Waits for the database.
    ///
    /// # Errors
    /// What a client would be told.
    pub async fn create_room(&self, creator: UserId, room: NewRoom) -> Result<(), WireError> {
        self.0.create_room(creator, room).await?;
        Ok(())
    }

    /// Writes operations, in one transaction with what others write at the same time. Answered when they are on
    /// the database's disk.
    ///
    /// # Errors
    /// What a client would be told.
    pub async fn append(
        &self,
        room: RoomId,
        sender: UserId,
        ops: Vec<Op>,
    ) -> Result<Vec<OpResult>, WireError> {
        Ok(self.0.append(room, sender, ops).await?.results)
    }

    /// Ends all connections. Waits for what is being written.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
