//! Reads a whole database, for `tidewire-server import`: all of one moment, a row at a time.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use tidewire_protocol::{Content, RoomId, Seq, UserId};

use super::fold::View;
use super::{OpenError, int, migrations, prepare, read};
use crate::clock;
use crate::store::StoreError;

/// A database that no server runs on.
pub(crate) struct Source {
    conn: Connection,
}

/// A message as it is now, for the index of messages.
pub(crate) struct Said {
    pub(crate) rk: i64,
    pub(crate) seq: Seq,
    pub(crate) sender: UserId,
    pub(crate) content: Content,
}

/// Messages in the order of the log, with whether something has changed them. `CROSS` keeps that order without sorting.
const MESSAGES: &str = "SELECT e.rk, r.id, e.seq, e.sender, e.content,
         EXISTS(SELECT 1 FROM revisions v WHERE v.rk = e.rk AND v.target = e.seq)
     FROM events e CROSS JOIN rooms r ON r.rk = e.rk WHERE e.kind = 'message' ORDER BY e.ord";

impl Source {
    /// Opens the database at `path`, brings it to this version as `serve` does, and holds its present state. The table
    /// `placed` says in which shard a room is to be, `placed_lists` in which what is of a user alone. Waits for the disk.
    pub(crate) fn open(
        path: &Path,
        shard_for: fn(RoomId) -> usize,
        shard_of_user: fn(&UserId) -> usize,
    ) -> Result<Self, OpenError> {
        // It is never made here.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags)?;
        prepare(&conn)?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        migrations::migrate(&mut conn, clock::now_ms())?;
        // On the disk, as the rooms may be many.
        conn.execute_batch(
            "BEGIN; CREATE TEMP TABLE placed(rk INTEGER PRIMARY KEY, shard INTEGER NOT NULL);
             CREATE TEMP TABLE placed_lists(user TEXT PRIMARY KEY, shard INTEGER NOT NULL)",
        )?;
        {
            let mut rooms = conn.prepare("SELECT rk, id FROM rooms")?;
            let mut place = conn.prepare("INSERT INTO placed VALUES(?1, ?2)")?;
            let mut rows = rooms.query([])?;
            while let Some(row) = rows.next()? {
                let shard = shard_for(read::room_id(row, 1)?);
                place.execute((row.get::<_, i64>(0)?, int(shard as u64)))?;
            }
        }
        {
            let mut users = conn.prepare("SELECT user FROM block_lists")?;
            let mut place = conn.prepare("INSERT INTO placed_lists VALUES(?1, ?2)")?;
            let mut rows = users.query([])?;
            while let Some(row) = rows.next()? {
                let user = read::user(row, 0)?;
                place.execute((user.as_str(), int(shard_of_user(&user) as u64)))?;
            }
        }
        Ok(Self { conn })
    }

    /// The end of the log.
    pub(crate) fn head(&self) -> Result<u64, StoreError> {
        Ok(read::head(&self.conn)?)
    }

    /// Gives each row of a query.
    pub(crate) fn rows(
        &self,
        select: &str,
        mut each: impl FnMut(&[ValueRef<'_>]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare(select)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values: Result<Vec<ValueRef<'_>>, rusqlite::Error> =
                (0..columns).map(|column| row.get_ref(column)).collect();
            each(&values?)?;
        }
        Ok(())
    }

    /// Gives what each message says by now, the oldest first.
    pub(crate) fn messages(
        &self,
        mut each: impl FnMut(Said) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare(MESSAGES)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(self.said(row)?)?;
        }
        Ok(())
    }

    fn said(&self, row: &Row<'_>) -> Result<Said, StoreError> {
        let (rk, room): (i64, RoomId) = (row.get(0)?, read::room_id(row, 1)?);
        let (seq, sender) = (read::seq(row, 2)?, read::user(row, 3)?);
        if !row.get::<_, bool>(5)? {
            return Ok(Said { rk, seq, sender, content: read::content(row, 4)? });
        }
        let view = View { rk, room, as_of: Seq::new(u64::MAX), reader: &sender };
        let content = view.folded(&self.conn, seq)?.content;
        Ok(Said { rk, seq, sender, content })
    }
}
