//! Where events become messages: what changes one goes into it, in whatever order they come.
//!
//! A stored message is what it was folded as of (`as_of`, at least its own seq) with every change
//! that is known beyond that. The changes are kept beside it (`mutations`), so that one that comes
//! late, or a folded history that is older than some of them, can be put in its place. Those of
//! messages that are not here wait, a bounded number for each room.

use rusqlite::{OptionalExtension, Row, params};
use tidewire_protocol::{Change, Content, Event, EventId, EventKind, Fold, RoomId, Seq, UserId};

use super::execute::{Writer, json, seq};
use super::query::{content, parse, unsigned, user};
use super::search::Said;
use crate::defaults;
use crate::engine::{Act, Done, Folded, Mutation, References};

/// How a reply in a thread is named among the mutations of the message that it hangs on.
const REPLY: &str = "reply";

/// A message as it is stored.
struct Stored {
    seq: Seq,
    sender: UserId,
    at: i64,
    kind: EventKind,
    /// Every change up to here is in it.
    as_of: Seq,
    folded: Folded,
    /// What it was folded as of `as_of`, as far as later changes depend on it.
    base: Fold,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let kind: String = row.get(3)?;
        let seq = unsigned(row, 0)?;
        Ok(Self {
            seq,
            sender: user(row, 1)?,
            at: row.get(2)?,
            kind: kind.as_str().into(),
            as_of: unsigned(row, 5)?.max(seq),
            folded: Folded { content: content(row, 4)?, fold: fold(row, 6)?.unwrap_or_default() },
            base: fold(row, 7)?.unwrap_or_default(),
        })
    }

    fn into_event(self, room: RoomId, id: EventId) -> Event {
        Event {
            id,
            room,
            seq: self.seq,
            sender: self.sender,
            at: self.at,
            kind: self.kind,
            content: self.folded.content,
            fold: Some(self.folded.fold).filter(|fold| !fold.is_empty()).map(Box::new),
        }
    }
}

/// A change of a message.
struct Known {
    seq: Seq,
    at: i64,
    sender: UserId,
    mine: bool,
    act: Act,
}

impl Known {
    fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let kind: String = row.get(3)?;
        let act = if kind == REPLY {
            Some(Act::Reply)
        } else {
            Mutation::of(&kind.as_str().into(), &content(row, 4)?).map(|mutation| mutation.act)
        };
        let (seq, at, sender) = (unsigned(row, 0)?, row.get(1)?, user(row, 2)?);
        let mine = row.get(5)?;
        Ok(act.map(|act| Self { seq, at, sender, mine, act }))
    }

    fn go_into(&self, folded: &mut Folded) {
        let at = Change { seq: self.seq, at: self.at };
        folded.take(&self.act, Done { by: &self.sender, mine: self.mine, at });
    }
}

impl Writer<'_> {
    /// An event as it was sent.
    pub(super) fn put_event(&mut self, event: &Event) -> rusqlite::Result<()> {
        let rk = self.key(event.room)?;
        let is_message = event.kind == EventKind::Message;
        let thread = match is_message {
            true => References::of(&event.content).thread,
            false => None,
        };
        self.run(
            "INSERT OR REPLACE INTO events (rk, seq, id, sender, at, kind, content, thread)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                rk,
                seq(event.seq),
                event.id.uuid().as_bytes(),
                event.sender.as_str(),
                event.at,
                event.kind.as_str(),
                event.content.as_json(),
                thread.map(|id| *id.uuid().as_bytes()),
            ],
        )?;
        self.index(&Said::of(rk, event));
        if let Some(root) = thread {
            self.put_reply(rk, root, event)?;
        }
        if is_message && self.waiting(rk)? > 0 {
            let known = self.known(rk, event.id, event.seq)?;
            if !known.is_empty() {
                self.wait_no_longer(rk, event.id)?;
                self.fold_anew(rk, event.room, event.id)?;
            }
        }
        Ok(())
    }

    /// An event that changes another one.
    pub(super) fn put_mutation(&mut self, event: &Event, mine: bool) -> rusqlite::Result<()> {
        let Some(Mutation { target, act }) = Mutation::of(&event.kind, &event.content) else {
            return Ok(());
        };
        let rk = self.key(event.room)?;
        let Event { seq, at, ref sender, .. } = *event;
        let known = Known { seq, at, sender: sender.clone(), mine, act };
        self.take(rk, event.room, target, &known, event.kind.as_str(), event.content.as_json())
    }

    /// A message that stands in the thread of another one.
    fn put_reply(&mut self, rk: i64, root: EventId, event: &Event) -> rusqlite::Result<()> {
        let Event { seq, at, ref sender, .. } = *event;
        let known = Known { seq, at, sender: sender.clone(), mine: false, act: Act::Reply };
        self.take(rk, event.room, root, &known, REPLY, "{}")
    }

    fn take(
        &mut self,
        rk: i64,
        room: RoomId,
        target: EventId,
        known: &Known,
        kind: &str,
        content: &str,
    ) -> rusqlite::Result<()> {
        let stored = self.stored(rk, target)?;
        if let Some(stored) = &stored
            && (stored.kind != EventKind::Message || known.seq <= stored.as_of)
        {
            return Ok(());
        }
        let last: Option<i64> = self
            .sqlite
            .prepare_cached("SELECT max(seq) FROM mutations WHERE rk = ?1 AND target = ?2")?
            .query_row(params![rk, target.uuid().as_bytes()], |row| row.get(0))?;
        let new = self
            .sqlite
            .prepare_cached(
                "INSERT OR IGNORE INTO mutations
                     (rk, target, seq, at, sender, kind, content, mine, waiting)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                rk,
                target.uuid().as_bytes(),
                seq(known.seq),
                known.at,
                known.sender.as_str(),
                kind,
                content,
                known.mine,
                stored.is_none(),
            ])?;
        match stored {
            _ if new == 0 => Ok(()),
            None => self.one_more_waits(rk),
            Some(mut stored) if last.is_none_or(|last| last < seq(known.seq)) => {
                let said = stored.folded.content.clone();
                known.go_into(&mut stored.folded);
                self.put_folded_state(rk, room, target, stored, &said)
            }
            Some(_) => self.fold_anew(rk, room, target),
        }
    }

    /// An event of a history that was folded as of `as_of`.
    pub(super) fn put_folded(&mut self, event: &Event, as_of: Seq) -> rusqlite::Result<()> {
        let rk = self.key(event.room)?;
        let as_of = as_of.max(event.seq);
        let stored = self.stored(rk, event.id)?;
        // It is found by what it says already: most of what is read again says the same.
        let says = stored.as_ref().map(|stored| &stored.folded.content);
        let indexed = says.is_some_and(|content| *content == event.content);
        if let Some(stored) = stored
            && stored.as_of >= as_of
        {
            // What is here knows of more.
            let stored = stored.into_event(event.room, event.id);
            if stored != *event {
                self.folded.push(stored);
            }
            return Ok(());
        }
        let thread = match event.kind {
            EventKind::Message => References::of(&event.content).thread,
            _ => None,
        };
        let fold = event.fold.as_deref();
        let base = fold.map(|fold| Fold {
            edited: None,
            deleted: None,
            reactions: fold.reactions.clone(),
            thread: fold.thread,
        });
        self.run(
            "INSERT OR REPLACE INTO events
                 (rk, seq, id, sender, at, kind, content, thread, as_of, fold, base)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                rk,
                seq(event.seq),
                event.id.uuid().as_bytes(),
                event.sender.as_str(),
                event.at,
                event.kind.as_str(),
                event.content.as_json(),
                thread.map(|id| *id.uuid().as_bytes()),
                seq(as_of),
                fold.map(json).transpose()?,
                base.filter(|base| !base.is_empty()).as_ref().map(json).transpose()?,
            ],
        )?;
        if event.kind != EventKind::Message {
            return Ok(());
        }
        if !indexed {
            self.index(&Said::of(rk, event));
        }
        self.wait_no_longer(rk, event.id)?;
        self.run(
            "DELETE FROM mutations WHERE rk = ?1 AND target = ?2 AND seq <= ?3",
            params![rk, event.id.uuid().as_bytes(), seq(as_of)],
        )?;
        if let Some(root) = thread {
            self.put_reply(rk, root, event)?;
        }
        self.fold_anew(rk, event.room, event.id)
    }

    /// Folds a message from what it was as of `as_of`, with every change that is known since.
    fn fold_anew(&mut self, rk: i64, room: RoomId, id: EventId) -> rusqlite::Result<()> {
        let Some(mut stored) = self.stored(rk, id)? else { return Ok(()) };
        let known = self.known(rk, id, stored.as_of)?;
        if known.is_empty() {
            return Ok(());
        }
        let said = stored.folded.content.clone();
        stored.folded.rewind(std::mem::take(&mut stored.base));
        for known in known {
            known.go_into(&mut stored.folded);
        }
        self.put_folded_state(rk, room, id, stored, &said)
    }

    /// Stores what a message has become, which said this before.
    fn put_folded_state(
        &mut self,
        rk: i64,
        room: RoomId,
        id: EventId,
        stored: Stored,
        said: &Content,
    ) -> rusqlite::Result<()> {
        let Folded { content, fold } = &stored.folded;
        let fold = (!fold.is_empty()).then(|| json(fold)).transpose()?;
        self.run(
            "UPDATE events SET content = ?3, fold = ?4 WHERE rk = ?1 AND seq = ?2",
            params![rk, seq(stored.seq), content.as_json(), fold],
        )?;
        let Stored { seq, at, ref sender, ref kind, .. } = stored;
        // Most changes are reactions, which change nothing that a search finds.
        if content != said {
            self.index(&Said { rk, seq, at, sender, kind, content });
        }
        // Once, as it is in the end.
        self.folded.retain(|event| event.room != room || event.id != id);
        self.folded.push(stored.into_event(room, id));
        Ok(())
    }

    fn stored(&self, rk: i64, id: EventId) -> rusqlite::Result<Option<Stored>> {
        self.sqlite
            .prepare_cached(
                // Left to itself SQLite reads through the room.
                "SELECT seq, sender, at, kind, content, as_of, fold, base
                 FROM events INDEXED BY events_by_id WHERE rk = ?1 AND id = ?2",
            )?
            .query_row(params![rk, id.uuid().as_bytes()], Stored::read)
            .optional()
    }

    /// The changes of a message after `as_of`, by seq.
    fn known(&self, rk: i64, id: EventId, as_of: Seq) -> rusqlite::Result<Vec<Known>> {
        let mut statement = self.sqlite.prepare_cached(
            "SELECT seq, at, sender, kind, content, mine FROM mutations
             WHERE rk = ?1 AND target = ?2 AND seq > ?3 ORDER BY seq",
        )?;
        let found = statement
            .query_map(params![rk, id.uuid().as_bytes(), seq(as_of)], Known::read)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// How many changes wait for messages of a room.
    fn waiting(&mut self, rk: i64) -> rusqlite::Result<u64> {
        if let Some(count) = self.waiting.get(&rk) {
            return Ok(*count);
        }
        let count: i64 = self
            .sqlite
            .prepare_cached("SELECT count(*) FROM mutations WHERE rk = ?1 AND waiting = 1")?
            .query_row([rk], |row| row.get(0))?;
        let count = count.unsigned_abs();
        self.waiting.insert(rk, count);
        Ok(count)
    }

    fn one_more_waits(&mut self, rk: i64) -> rusqlite::Result<()> {
        let waiting = match self.waiting.get(&rk) {
            Some(before) => before + 1,
            // It is counted among them.
            None => self.waiting(rk)?,
        };
        self.waiting.insert(rk, waiting);
        if waiting > defaults::WAITING_CHANGES as u64 {
            self.run(
                "DELETE FROM mutations WHERE rk = ?1 AND waiting = 1 AND seq =
                     (SELECT min(seq) FROM mutations WHERE rk = ?1 AND waiting = 1)",
                [rk],
            )?;
            self.waiting.insert(rk, waiting - 1);
        }
        Ok(())
    }

    /// The message is here: what waited for it is beside it from now on.
    fn wait_no_longer(&mut self, rk: i64, id: EventId) -> rusqlite::Result<()> {
        if self.waiting(rk)? > 0 {
            self.run(
                "UPDATE mutations SET waiting = 0 WHERE rk = ?1 AND target = ?2 AND waiting = 1",
                params![rk, id.uuid().as_bytes()],
            )?;
            self.waiting.remove(&rk);
        }
        Ok(())
    }
}

fn fold(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Fold>> {
    let json: Option<String> = row.get(at)?;
    json.map(|json| parse(at, &json)).transpose()
}
