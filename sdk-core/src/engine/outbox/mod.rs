//! The outbox: operations on their way to the server, first in first out within a room.

mod attach;
mod expiry;
mod files;
mod mutate;
mod options;
pub(super) mod send;
mod slow_mode;
mod upload;
pub(super) mod uploads;
mod withdraw;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{
    Content, Event, EventId, FileKey, Op, RoomId, Seq, UploadId, UserId, WireError, limits,
};

use super::effect::{RequestId, SocketId};
use super::timeline::fold::{Mutation, References};
pub(crate) use files::listing;
pub use files::{CopyTrouble, OutgoingFile};
pub use options::{OnFailure, SendOptions};
pub use upload::{PartNews, PartPut};

/// An operation in the outbox, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// The room.
    pub room: RoomId,
    /// The operation.
    pub op: Op,
    /// When it was queued: wall clock, ms since 1970-01-01 UTC.
    pub queued_at: i64,
    /// The same by the server's clock, if it was known then.
    #[serde(default)]
    pub queued_by_server: Option<i64>,
    /// Since when it may have been sent, if it may: ms since 1970-01-01 UTC. On disk before anything
    /// leaves, so that what has none was never sent.
    pub attempted_at: Option<i64>,
    /// Why it failed, if it did.
    pub failed: Option<FailReason>,
    /// What the app asked for beside.
    #[serde(default)]
    pub options: SendOptions,
    /// Its files. The content lists them once all of them are uploaded.
    #[serde(default)]
    pub files: Vec<OutgoingFile>,
}

/// Why an operation failed. Trouble with the network is never a reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// The server said "no".
    Refused(WireError),
    /// It was first sent longer ago than the server remembers ids, so that sending it again could
    /// make a second one.
    Unknown,
    /// It was to be sent within a time that is over ([`SendOptions::expires_after`]). If it had been
    /// tried before, it may have arrived all the same; then it shows as sent once that is known.
    Expired,
    /// A file of it can not be uploaded, because the client's copy of it is not what it was.
    Copy(CopyTrouble),
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailReason::Refused(error) => write!(f, "the server refused it: {error}"),
            FailReason::Unknown => {
                f.write_str("it is too old to be sent again without risk: look whether it arrived")
            }
            FailReason::Expired => f.write_str("it was not sent in the time that it had"),
            FailReason::Copy(trouble) => write!(f, "{trouble}: send the file again"),
        }
    }
}

/// What carries a request with operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Socket(SocketId),
    /// A request for the operations alone, or a `sync` with them on board.
    Request(RequestId),
}

/// The one request in flight of a room.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) carrier: Carrier,
    /// When it left, on the monotonic clock.
    pub(crate) since_ms: u64,
    aboard: Vec<EventId>,
}

impl Flight {
    /// Whether this operation is aboard.
    pub(crate) fn carries(&self, id: EventId) -> bool {
        self.aboard.contains(&id)
    }
}

#[derive(Debug, Default)]
struct Lane {
    rows: VecDeque<OutboxRow>,
    in_flight: Option<Flight>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It leaves the outbox: it is in the log, or was given up.
    Arrived,
    /// It was refused: those behind it wait from now on.
    Failed,
}

/// All rooms' operations.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: BTreeMap<RoomId, Lane>,
    rooms: HashMap<EventId, RoomId>,
    /// Rows whose fate is decided and on its way to the disk: they are not sent again.
    settled: HashMap<EventId, Fate>,
    /// Rows that nobody but this client can know: they were never sent.
    fresh: HashSet<EventId>,
    /// Those of them of which the disk says so too. They leave once it says that they may have been
    /// sent.
    unmarked: HashSet<EventId>,
    /// Those of which that is on its way to the disk.
    marking: HashSet<EventId>,
    /// Rows that are to be sent within some time.
    expiring: BTreeSet<EventId>,
    /// Rows that hold nothing up if they fail.
    skips: BTreeSet<EventId>,
    /// Rows that are being rewritten, with the number of rewritings on their way to the disk.
    /// Neither they nor what is behind them leaves.
    amended: HashMap<EventId, u32>,
    /// Rows with files that are not uploaded. They do not leave.
    uploading: BTreeSet<EventId>,
    /// Rooms in slow mode: nothing of them leaves for a time.
    paced: BTreeMap<RoomId, slow_mode::Pace>,
}

impl Outbox {
    pub(crate) fn load(rows: Vec<OutboxRow>) -> Self {
        let mut outbox = Self::default();
        for row in rows {
            if row.attempted_at.is_none() {
                outbox.push_fresh(row, false);
            } else {
                outbox.push(row);
            }
        }
        outbox
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn push(&mut self, row: OutboxRow) {
        if row.options.expires_after.is_some() {
            self.expiring.insert(row.op.id);
        }
        if !row.holds() {
            self.skips.insert(row.op.id);
        }
        if !row.is_uploaded() {
            self.uploading.insert(row.op.id);
        }
        self.rooms.insert(row.op.id, row.room);
        self.lanes.entry(row.room).or_default().rows.push_back(row);
    }

    /// A row that was never sent. `marked`: whether the disk says already that it may have been.
    pub(crate) fn push_fresh(&mut self, row: OutboxRow, marked: bool) {
        self.fresh.insert(row.op.id);
        if !marked {
            self.unmarked.insert(row.op.id);
        }
        self.push(OutboxRow { attempted_at: None, ..row });
    }

    /// What leaves next of a room and is not marked on disk as that. From here on it waits for
    /// [`Outbox::marked`].
    pub(crate) fn mark(&mut self, room: RoomId, is_slow: bool) -> Vec<EventId> {
        if self.unmarked.is_empty() {
            return Vec::new();
        }
        let mut ids: Vec<EventId> = self.next_ops(room, is_slow).iter().map(|op| op.id).collect();
        ids.retain(|id| self.unmarked.contains(id));
        self.marking.extend(&ids);
        ids
    }

    /// That is on disk.
    pub(crate) fn marked(&mut self, ids: &[EventId]) {
        for id in ids {
            self.unmarked.remove(id);
            self.marking.remove(id);
        }
    }

    /// A row is about to go: until then neither it nor what is behind it leaves.
    pub(crate) fn hold(&mut self, id: EventId) {
        self.marking.insert(id);
    }

    /// Rooms whose operations are on their way.
    pub(crate) fn flights(&self) -> usize {
        self.lanes.values().filter(|lane| lane.in_flight.is_some()).count()
    }

    /// Rows that are to be sent within some time, that have not failed and are not on their way.
    pub(crate) fn expiring(&self) -> impl Iterator<Item = &OutboxRow> {
        let lanes = self.lanes.values().filter(|_| !self.expiring.is_empty());
        let rows =
            lanes.flat_map(|lane| &lane.rows).filter(|row| self.expiring.contains(&row.op.id));
        rows.filter(|row| row.failed.is_none() && !self.settled.contains_key(&row.op.id))
            .filter(|row| self.flight(row.room).is_none_or(|flight| !flight.carries(row.op.id)))
    }

    /// What of a lane stays behind and holds nothing up, in order: what has failed, with what was to change
    /// it; and what waits for its files, with what changes or quotes it, and so on.
    fn left_out(&self, lane: &Lane) -> Vec<EventId> {
        let mut left_out = Vec::new();
        if self.skips.is_empty() && self.uploading.is_empty() {
            return left_out;
        }
        let mut waiting: Vec<EventId> = Vec::new();
        for row in &lane.rows {
            let (id, content) = (row.op.id, &row.op.content);
            let changes = Mutation::of(&row.op.kind, content).map(|other| other.target);
            let quotes = References::of(content).reply_to;
            let waits = !self.has_failed(row) && !row.is_uploaded() && !row.holds_place();
            let fails = self.has_failed(row) && !row.holds();
            let behind = [changes, quotes].iter().flatten().any(|id| waiting.contains(id));
            if waits || behind {
                waiting.push(id);
            }
            if waits || behind || fails || changes.is_some_and(|id| left_out.contains(&id)) {
                left_out.push(id);
            }
        }
        left_out
    }

    fn has_failed(&self, row: &OutboxRow) -> bool {
        row.failed.is_some() || self.settled.get(&row.op.id) == Some(&Fate::Failed)
    }

    /// Whether nobody but this client can know of a row: then it may still say something else, or
    /// be taken back. That is so as well where the server has said that it is not in the log, or that
    /// it lacks its files.
    pub(crate) fn is_ours_alone(&self, id: EventId) -> bool {
        let refused = |row: &OutboxRow| matches!(row.failed, Some(FailReason::Refused(_)));
        let alone = self.fresh.contains(&id) || self.uploading.contains(&id);
        alone || self.get(id).is_some_and(refused)
    }

    /// A row is about to say something else: it stays until that is on disk.
    pub(crate) fn begin_amend(&mut self, id: EventId) {
        *self.amended.entry(id).or_default() += 1;
    }

    /// That is on disk.
    pub(crate) fn amend(&mut self, id: EventId, content: Content) -> Option<RoomId> {
        if let Some(left) = self.amended.get_mut(&id) {
            *left -= 1;
            if *left == 0 {
                self.amended.remove(&id);
            }
        }
        let room = *self.rooms.get(&id)?;
        let lane = self.lanes.get_mut(&room)?;
        lane.rows.iter_mut().find(|row| row.op.id == id)?.op.content = content;
        Some(room)
    }

    pub(crate) fn contains(&self, id: EventId) -> bool {
        self.rooms.contains_key(&id)
    }

    pub(crate) fn get(&self, id: EventId) -> Option<&OutboxRow> {
        self.lanes.get(self.rooms.get(&id)?)?.rows.iter().find(|row| row.op.id == id)
    }

    /// The rows of a room, in order.
    pub(crate) fn of_room(&self, room: RoomId) -> Vec<&OutboxRow> {
        self.lanes.get(&room).map_or_else(Vec::new, |lane| lane.rows.iter().collect())
    }

    /// What is on its way of a room.
    pub(crate) fn flight(&self, room: RoomId) -> Option<&Flight> {
        self.lanes.get(&room)?.in_flight.as_ref()
    }

    /// Operations that are in nobody's log yet, as far as is known.
    pub(crate) fn unsent(&self) -> usize {
        let arrived = self.settled.values().filter(|fate| **fate == Fate::Arrived).count();
        self.rooms.len().saturating_sub(arrived)
    }

    pub(crate) fn pending(&self, room: RoomId) -> usize {
        self.lanes.get(&room).map_or(0, |lane| lane.rows.len())
    }

    /// Takes a row out: it reached the log or was discarded.
    pub(crate) fn remove(&mut self, id: EventId) -> Option<OutboxRow> {
        self.settled.remove(&id);
        self.fresh.remove(&id);
        self.unmarked.remove(&id);
        self.marking.remove(&id);
        self.expiring.remove(&id);
        self.skips.remove(&id);
        self.amended.remove(&id);
        self.uploading.remove(&id);
        let room = self.rooms.remove(&id)?;
        let lane = self.lanes.get_mut(&room)?;
        let at = lane.rows.iter().position(|row| row.op.id == id)?;
        let row = lane.rows.remove(at);
        if lane.rows.is_empty() && lane.in_flight.is_none() {
            self.lanes.remove(&room);
        }
        row
    }

    /// Its fate is known; what follows waits for the commit.
    pub(crate) fn settle(&mut self, id: EventId, fate: Fate) {
        if self.rooms.contains_key(&id) {
            self.settled.insert(id, fate);
        }
    }

    pub(crate) fn set_failed(&mut self, id: EventId, failed: Option<FailReason>) {
        self.settled.remove(&id);
        let again = failed.is_none();
        let lane = self.rooms.get(&id).and_then(|room| self.lanes.get_mut(room));
        if let Some(row) = lane.and_then(|lane| lane.rows.iter_mut().find(|row| row.op.id == id)) {
            row.failed = failed;
            if again {
                // The user wants it sent again, at his own risk if it was sent long ago.
                row.attempted_at = None;
                row.options.expires_after = None;
            }
        }
        if again {
            self.expiring.remove(&id);
            // What was never sent counts as sent only when it leaves.
            if !self.uploading.contains(&id) {
                self.unmarked.remove(&id);
            }
        }
    }

    /// Rooms whose next operations may go out now.
    pub(crate) fn ready(&self) -> Vec<RoomId> {
        let ready = |lane: &Lane| lane.in_flight.is_none() && self.sendable(lane).next().is_some();
        let lanes = self.lanes.iter().filter(|(room, _)| !self.paced.contains_key(room));
        lanes.filter(|(_, lane)| ready(lane)).map(|(room, _)| *room).collect()
    }

    /// Whether anything is on its way or could be, now or once the disk says what is being written of it. What waits
    /// for its room's slow mode could not.
    pub(crate) fn has_work(&self) -> bool {
        let writing = |row: &OutboxRow| self.is_being_written(row.op.id);
        self.lanes.iter().any(|(room, lane)| {
            let waits = self.paced.contains_key(room);
            let could = || self.sendable(lane).next().is_some() || lane.rows.iter().any(writing);
            lane.in_flight.is_some() || !waits && could()
        })
    }

    fn is_being_written(&self, id: EventId) -> bool {
        self.amended.contains_key(&id) || self.marking.contains(&id)
    }

    /// What may go out, in order: nothing that has arrived, and nothing from one on that holds its
    /// room or is being written to the disk. One that failed and holds nothing stays behind, and one
    /// whose files are on their way, with what was to change or quote it.
    fn sendable<'a>(&'a self, lane: &'a Lane) -> impl Iterator<Item = &'a OutboxRow> {
        let left_out = self.left_out(lane);
        lane.rows
            .iter()
            .filter(|row| self.settled.get(&row.op.id) != Some(&Fate::Arrived))
            .filter(move |row| !left_out.contains(&row.op.id))
            .take_while(move |row| {
                !self.has_failed(row) && !self.is_being_written(row.op.id) && !row.holds_place()
            })
    }

    /// The next operations of a room that is ready: at most 50 and 64 KiB. Of messages into a slow room no more
    /// than two, the one that is taken and the one of which the server says when.
    pub(crate) fn next_ops(&self, room: RoomId, is_slow: bool) -> Vec<Op> {
        let mut bytes = 256;
        let mut messages = 0;
        let Some(lane) = self.lanes.get(&room) else { return Vec::new() };
        self.sendable(lane)
            .take(limits::OPS_PER_REQUEST)
            .take_while(|row| {
                bytes += row.op.wire_bytes();
                messages += usize::from(slow_mode::counts(&row.op));
                bytes <= limits::FRAME_BYTES && !(is_slow && messages > 2)
            })
            .map(|row| row.op.clone())
            .collect()
    }

    /// The operation of a room that would go out next.
    pub(crate) fn first(&self, room: RoomId) -> Option<EventId> {
        let lane = self.lanes.get(&room)?;
        self.sendable(lane).next().map(|row| row.op.id)
    }

    /// Operations of a room leave with a carrier.
    pub(crate) fn depart(
        &mut self,
        room: RoomId,
        carrier: Carrier,
        ops: &[Op],
        mono_ms: u64,
        at: i64,
    ) {
        if let Some(lane) = self.lanes.get_mut(&room) {
            let aboard = ops.iter().map(|op| op.id).collect();
            lane.in_flight = Some(Flight { carrier, since_ms: mono_ms, aboard });
            for op in ops {
                self.fresh.remove(&op.id);
            }
            for row in &mut lane.rows {
                if row.attempted_at.is_none() && ops.iter().any(|op| op.id == row.op.id) {
                    row.attempted_at = Some(at);
                }
            }
        }
    }

    /// The carrier is back, with an answer or without: its rows may go out again.
    pub(crate) fn arrive(&mut self, room: RoomId) {
        if let Some(lane) = self.lanes.get_mut(&room) {
            lane.in_flight = None;
            if lane.rows.is_empty() {
                self.lanes.remove(&room);
            }
        }
    }

    /// Every room whose operations this carrier had. Gives whether there were any.
    pub(crate) fn lost(&mut self, carrier: Carrier) -> bool {
        let mut carried = false;
        for lane in self.lanes.values_mut() {
            if lane.in_flight.as_ref().is_some_and(|flight| flight.carrier == carrier) {
                lane.in_flight = None;
                carried = true;
            }
        }
        self.lanes.retain(|_, lane| !lane.rows.is_empty());
        carried
    }

    /// Whether an answer from a socket is awaited.
    pub(crate) fn awaits_socket(&self) -> bool {
        let by_socket = |flight: &Flight| matches!(flight.carrier, Carrier::Socket(_));
        self.lanes.values().any(|lane| lane.in_flight.as_ref().is_some_and(by_socket))
    }

    /// Whether any has been sent before.
    pub(crate) fn has_attempted(&self) -> bool {
        self.lanes.values().flat_map(|lane| &lane.rows).any(|row| row.attempted_at.is_some())
    }

    /// These were first sent at `at`, by a better clock than the one that dated them.
    pub(crate) fn date(&mut self, ids: &[EventId], at: i64) {
        for row in self.lanes.values_mut().flat_map(|lane| &mut lane.rows) {
            if row.attempted_at.is_some() && ids.contains(&row.op.id) {
                row.attempted_at = Some(at);
            }
        }
    }

    /// Rows first sent before `before` that have not failed yet.
    pub(crate) fn attempted_before(&self, before: i64) -> Vec<EventId> {
        self.lanes
            .values()
            .flat_map(|lane| &lane.rows)
            .filter(|row| row.failed.is_none() && !self.settled.contains_key(&row.op.id))
            .filter(|row| row.attempted_at.is_some_and(|at| at < before))
            .map(|row| row.op.id)
            .collect()
    }
}

/// What is known of the files of those that wait.
impl Outbox {
    /// Rows with files that are not uploaded, in order within their rooms.
    pub(crate) fn uploading(&self) -> impl Iterator<Item = &OutboxRow> {
        let lanes = self.lanes.values().filter(|_| !self.uploading.is_empty());
        lanes.flat_map(|lane| &lane.rows).filter(|row| self.uploading.contains(&row.op.id))
    }

    fn get_mut(&mut self, id: EventId) -> Option<&mut OutboxRow> {
        let lane = self.lanes.get_mut(self.rooms.get(&id)?)?;
        lane.rows.iter_mut().find(|row| row.op.id == id)
    }

    /// Whether what a row says is on its way to the disk.
    pub(crate) fn is_amended(&self, id: EventId) -> bool {
        self.amended.contains_key(&id)
    }

    /// A file is in the object store. With the last one: what the message says from now on, if that is
    /// anything else.
    pub(crate) fn set_uploaded(
        &mut self,
        message: EventId,
        upload: UploadId,
        key: FileKey,
    ) -> Result<Option<Content>, serde_json::Error> {
        let Some(row) = self.get_mut(message) else { return Ok(None) };
        for file in row.files.iter_mut().filter(|file| file.id == upload) {
            file.uploaded = true;
            file.sent = file.size;
            file.key = Some(key.clone());
        }
        if !row.is_uploaded() {
            return Ok(None);
        }
        let listed = if row.lists_its_files() {
            None
        } else {
            row.op.content = files::listing(&row.op.content, &row.files)?;
            Some(row.op.content.clone())
        };
        self.uploading.remove(&message);
        Ok(listed)
    }

    /// The object store has lost the files of a message.
    pub(crate) fn set_not_uploaded(&mut self, message: EventId) {
        let Some(row) = self.get_mut(message) else { return };
        for file in &mut row.files {
            file.uploaded = false;
            file.sent = 0;
        }
        self.uploading.insert(message);
    }

    /// So much of a file has left. Gives whether that is another number than before.
    pub(crate) fn set_sent(&mut self, message: EventId, upload: UploadId, bytes: u64) -> bool {
        let row = self.get_mut(message);
        let file = row.and_then(|row| row.files.iter_mut().find(|file| file.id == upload));
        file.is_some_and(|file| std::mem::replace(&mut file.sent, bytes) != bytes)
    }
}

impl OutboxRow {
    /// Whether those behind it wait, if it fails.
    pub(crate) fn holds(&self) -> bool {
        self.options.on_failure == OnFailure::Hold
    }

    /// The event that this became.
    pub(crate) fn accepted(&self, sender: &UserId, seq: Seq, at: i64) -> Event {
        Event {
            id: self.op.id,
            room: self.room,
            seq,
            sender: sender.clone(),
            at,
            kind: self.op.kind.clone(),
            content: self.op.content.clone(),
            fold: None,
        }
    }
}
