//! The end of `tidewire-server import` that writes: one transaction, so that a database has all of it or nothing.

use bytes::Bytes;
use futures::SinkExt;
use tokio::sync::mpsc;
use tokio_postgres::{Client, Transaction};

use super::connect::{int, said};
use super::migrations;
use super::open::{self, OpenError};
use crate::store::StoreError;

/// An empty database, kept to oneself.
pub(crate) struct Target {
    client: Client,
}

impl Target {
    /// Takes a database without any rows in `tables`, and makes the tables if there are none. No server may run on it,
    /// nor may another import.
    pub(crate) async fn open(url: &str, tables: &[&str]) -> Result<Self, OpenError> {
        let client = migrations::connect(url).await?;
        open::check_server(&client).await?;
        match open::is_unused(&client).await {
            Err(OpenError::InUse) => return Err(OpenError::ImportInUse),
            other => other?,
        }
        let failed = |error: tokio_postgres::Error| OpenError::Import(said(&error));
        let known = migrations::known();
        match migrations::version(&client).await.map_err(failed)? {
            None | Some(0) => {
                migrations::migrate(url).await?;
            }
            Some(found) if found > known => return Err(OpenError::Newer { found, known }),
            Some(found) if found < known => return Err(OpenError::Older { found, known }),
            Some(_) => {}
        }
        for table in tables {
            let sql = format!("SELECT EXISTS(SELECT 1 FROM {table})");
            if client.query_one(&sql, &[]).await.map_err(failed)?.get(0) {
                return Err(OpenError::NotEmpty { table: (*table).into() });
            }
        }
        // What is read may take its time between two rows.
        let patient = "SET idle_in_transaction_session_timeout = 0";
        client.batch_execute(patient).await.map_err(failed)?;
        Ok(Self { client })
    }

    /// Begins to write.
    pub(crate) async fn begin(&mut self) -> Result<Import<'_>, StoreError> {
        Ok(Import { tx: self.client.transaction().await? })
    }
}

/// What is undone unless it is finished.
pub(crate) struct Import<'a> {
    tx: Transaction<'a>,
}

impl Import<'_> {
    /// Writes the rows of a table as they come, in the text format of `COPY`. Gives their number.
    pub(crate) async fn copy(
        &self,
        table: &str,
        columns: &str,
        mut lines: mpsc::Receiver<Bytes>,
    ) -> Result<u64, StoreError> {
        let sink = self.tx.copy_in(&format!("COPY {table}({columns}) FROM STDIN")).await?;
        let mut sink = std::pin::pin!(sink);
        while let Some(chunk) = lines.recv().await {
            sink.send(chunk).await?;
        }
        Ok(sink.finish().await?)
    }

    /// Gives every shard the head of the log, and the log a life of its own. `secret` is a digest of what signs.
    pub(crate) async fn finish(
        self,
        tables: &[&str],
        head: u64,
        secret: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let holes = "SELECT count(*) FROM rooms r
             WHERE head_seq <> (SELECT count(*) FROM events e WHERE e.rk = r.rk)";
        let holes: i64 = self.tx.query_one(holes, &[]).await?.get(0);
        if holes > 0 {
            let told =
                format!("the logs of {holes} rooms have holes: the SQLite database is damaged");
            return Err(StoreError::Failed(told));
        }
        self.tx.execute("UPDATE shards SET head_ord = $1", &[&int(head)]).await?;
        let next = "SELECT setval(pg_get_serial_sequence('rooms', 'rk'), greatest(max(rk), 1),
             max(rk) IS NOT NULL) FROM rooms";
        self.tx.query_one(next, &[]).await?;
        let epoch = uuid::Uuid::now_v7().to_string();
        let life = "UPDATE meta SET epoch = $1, secret = $2, started_at = 0";
        self.tx.execute(life, &[&epoch, &secret]).await?;
        // Else the first queries are planned as if there were nothing.
        self.tx.batch_execute(&format!("ANALYZE {}", tables.join(", "))).await?;
        Ok(self.tx.commit().await?)
    }
}
