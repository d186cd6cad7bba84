//! A message as a history has it: what later events have made of it, up to a seq and for one reader.
//! Each part is found by an index that begins with the message, and kept with the seqs from which to
//! which it holds: so a former member gets the message as it was at the leave.

use rusqlite::{Connection, OptionalExtension};
use tidewire_protocol::{
    Change, Content, Event, EventKind, Fold, Reactions, RoomId, Seq, Thread, UserId, deleted,
    edited, limits,
};

use super::int;
use super::read;
use crate::store::{EventJson, StoreError};

/// From where somebody looks at a room.
pub(super) struct View<'a> {
    pub(super) rk: i64,
    pub(super) room: RoomId,
    /// Later events are not there.
    pub(super) as_of: Seq,
    pub(super) reader: &'a UserId,
}

/// The last revision of a message, and the last of its thread.
pub(super) const REVISION: &str = "SELECT e.seq, e.at, e.kind, e.content FROM revisions v
     JOIN events e ON e.rk = v.rk AND e.seq = v.seq
     WHERE v.rk = ?1 AND v.target = ?2 AND v.seq <= ?3 ORDER BY v.seq DESC LIMIT 1";
pub(super) const THREAD: &str = "SELECT e.seq, e.at, t.number FROM replies t
     JOIN events e ON e.rk = t.rk AND e.seq = t.seq
     WHERE t.rk = ?1 AND t.root = ?2 AND t.seq <= ?3 ORDER BY t.seq DESC LIMIT 1";
/// The keys of a message, which of them are the reader's, and who has one.
pub(super) const KEYS: &str = "SELECT key, users FROM reaction_counts
     WHERE rk = ?1 AND target = ?2 AND until > ?3 AND since <= ?3 ORDER BY first";
pub(super) const MINE: &str = "SELECT key FROM reactions
     WHERE rk = ?1 AND target = ?2 AND user = ?4 AND until > ?3 AND since <= ?3";
/// Those whose reaction stands come in the order in which they came, without sorting: all of them
/// have the same `until`.
pub(super) const BY: &str = "SELECT user FROM reactions INDEXED BY reactions_key
     WHERE rk = ?1 AND target = ?2 AND key = ?4 AND until > ?3 AND since <= ?3
     ORDER BY until, since LIMIT ?5";

impl View<'_> {
    /// The event at `seq`, folded.
    pub(super) fn event(&self, conn: &Connection, seq: Seq) -> Result<EventJson, StoreError> {
        Ok(read::json(&self.folded(conn, seq)?)?)
    }

    /// The same as a type.
    pub(super) fn folded(&self, conn: &Connection, seq: Seq) -> Result<Event, StoreError> {
        let event = read::event(conn, self.rk, self.room, seq)?;
        let mut event = event
            .ok_or_else(|| StoreError::Failed(format!("room {} has a hole at {seq}", self.room)))?;
        if event.kind == EventKind::Message {
            self.fold(conn, &mut event)?;
        }
        Ok(event)
    }

    fn fold(&self, conn: &Connection, event: &mut Event) -> Result<(), StoreError> {
        let mut fold = Fold::default();
        if let Some((change, kind, content)) = self.revision(conn, event.seq)? {
            if kind == EventKind::Delete {
                event.content = deleted(&event.content);
                fold.deleted = Some(change);
            } else {
                let broken = |error| StoreError::Failed(format!("an edit is none: {error}"));
                event.content = edited(&event.content, &content).map_err(broken)?;
                fold.edited = Some(change);
            }
        }
        if fold.deleted.is_none() {
            fold.reactions = self.reactions(conn, event.seq)?;
        }
        fold.thread = self.thread(conn, event.seq)?;
        if !fold.is_empty() {
            event.fold = Some(Box::new(fold));
        }
        Ok(())
    }

    fn place(&self, target: Seq) -> (i64, i64, i64) {
        (self.rk, int(target.get()), int(self.as_of.get()))
    }

    fn revision(
        &self,
        conn: &Connection,
        target: Seq,
    ) -> Result<Option<(Change, EventKind, Content)>, StoreError> {
        let found = conn
            .prepare_cached(REVISION)?
            .query_row(self.place(target), |row| {
                let change = Change { seq: read::seq(row, 0)?, at: row.get(1)? };
                let kind = EventKind::from(row.get_ref(2)?.as_str()?);
                Ok((change, kind, read::content(row, 3)?))
            })
            .optional()?;
        Ok(found)
    }

    fn thread(&self, conn: &Connection, root: Seq) -> Result<Option<Thread>, StoreError> {
        let found = conn
            .prepare_cached(THREAD)?
            .query_row(self.place(root), |row| {
                let last = Change { seq: read::seq(row, 0)?, at: row.get(1)? };
                Ok(Thread { replies: row.get(2)?, last })
            })
            .optional()?;
        Ok(found)
    }

    fn reactions(&self, conn: &Connection, target: Seq) -> Result<Vec<Reactions>, StoreError> {
        let (rk, target, as_of) = self.place(target);
        let reactions: Result<Vec<_>, rusqlite::Error> = conn
            .prepare_cached(KEYS)?
            .query_map((rk, target, as_of), |row| {
                Ok(Reactions { key: row.get(0)?, count: row.get(1)?, mine: false, by: Vec::new() })
            })?
            .collect();
        let mut reactions = reactions?;
        if reactions.is_empty() {
            return Ok(reactions);
        }
        let mine: Result<Vec<String>, rusqlite::Error> = conn
            .prepare_cached(MINE)?
            .query_map((rk, target, as_of, self.reader.as_str()), |row| row.get(0))?
            .collect();
        let mine = mine?;
        for reaction in &mut reactions {
            reaction.mine = mine.contains(&reaction.key);
            let by: Result<Vec<UserId>, rusqlite::Error> = conn
                .prepare_cached(BY)?
                .query_map(
                    (rk, target, as_of, &reaction.key, int(limits::REACTION_USERS as u64)),
                    |row| read::user(row, 0),
                )?
                .collect();
            reaction.by = by?;
        }
        Ok(reactions)
    }
}
