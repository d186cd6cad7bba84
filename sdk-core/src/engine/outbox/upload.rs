//! One upload: what the server has said of it, what is on its way, and what comes next.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidewire_protocol::{EventId, FileKey, RoomId, Upload, UploadId, UploadPart};

use super::OutboxRow;
use super::files::CopyTrouble;
use crate::engine::effect::RequestId;

/// A part to be put to its address.
#[derive(Debug, Clone, PartialEq)]
pub struct PartPut {
    /// The upload: its copy is what is read.
    pub upload: UploadId,
    /// Where the part goes.
    pub part: UploadPart,
    /// How many bytes the whole file has to have.
    pub size: u64,
    /// Where the part begins in it.
    pub offset: u64,
    /// How many bytes the part has.
    pub length: u64,
}

/// News of a part on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartNews {
    /// So many bytes of it have left. More follows.
    Sent(u64),
    /// The store has it.
    Stored,
    /// The address leads nowhere any more, or the part did not arrive as it is: the server knows more.
    Refused {
        /// The status that the store answered.
        status: u16,
    },
    /// Anything else: no connection, a cut, silence, a store that is busy.
    Trouble(String),
    /// The copy on this device can not be sent.
    Copy(CopyTrouble),
}

/// Why the server is asked about an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadCall {
    /// Where it stands, and where to put what is missing.
    Begin,
    /// All parts are there.
    Complete,
}

#[derive(Debug)]
pub(super) struct Going {
    pub(super) id: UploadId,
    pub(super) message: EventId,
    pub(super) room: RoomId,
    pub(super) size: u64,
    /// What the server is being asked.
    pub(super) call: Option<(RequestId, UploadCall)>,
    /// What it said last.
    pub(super) told: Option<Told>,
    /// Whether it is to be asked before anything else leaves.
    pub(super) ask: bool,
    pub(super) put: Option<Put>,
    /// Answers in a row that something is not as it was told before.
    pub(super) refusals: u32,
    /// How often what arrived was not what was declared.
    pub(super) mismatches: u32,
}

/// Where an upload stands at the server.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) key: FileKey,
    pub(super) complete: bool,
    pub(super) part_size: u64,
    pub(super) stored: BTreeSet<u32>,
    pub(super) missing: BTreeMap<u32, UploadPart>,
    /// Whether it named any that are missing.
    pub(super) named: bool,
    /// On the monotonic clock.
    pub(super) holds_until: u64,
}

/// A part on its way.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) id: RequestId,
    pub(super) number: u32,
    pub(super) sent: u64,
}

/// What comes next of an upload.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Something is on its way.
    Nothing,
    Call(UploadCall),
    Put(PartPut),
    Finish(FileKey),
    /// The server says that nothing is missing and that not all is there.
    Nonsense,
}

impl Told {
    pub(super) fn parts(&self, size: u64) -> u64 {
        size.div_ceil(self.part_size)
    }

    pub(super) fn bytes_of(&self, number: u32, size: u64) -> u64 {
        let before = u64::from(number.saturating_sub(1)).saturating_mul(self.part_size);
        self.part_size.min(size.saturating_sub(before))
    }

    pub(super) fn has_all(&self, size: u64) -> bool {
        self.stored.len() as u64 >= self.parts(size)
    }
}

impl Going {
    pub(super) fn new(row: &OutboxRow, id: UploadId, size: u64) -> Self {
        Self {
            id,
            message: row.op.id,
            room: row.room,
            size,
            call: None,
            told: None,
            ask: false,
            put: None,
            refusals: 0,
            mismatches: 0,
        }
    }

    pub(super) fn next(&self, now_ms: u64) -> Next {
        if self.call.is_some() || self.put.is_some() {
            return Next::Nothing;
        }
        let Some(told) = self.told.as_ref().filter(|_| !self.ask) else {
            return Next::Call(UploadCall::Begin);
        };
        if told.complete {
            return Next::Finish(told.key.clone());
        }
        if told.has_all(self.size) {
            return Next::Call(UploadCall::Complete);
        }
        match told.missing.first_key_value() {
            Some(_) if told.holds_until <= now_ms => Next::Call(UploadCall::Begin),
            Some((number, part)) => Next::Put(PartPut {
                upload: self.id,
                part: part.clone(),
                size: self.size,
                offset: u64::from(number - 1) * told.part_size,
                length: told.bytes_of(*number, self.size),
            }),
            // An answer has the addresses of so many parts only.
            None if told.named => Next::Call(UploadCall::Begin),
            None => Next::Nonsense,
        }
    }

    pub(super) fn hear(&mut self, upload: Upload, now_ms: u64) {
        let part_size = upload.part_size.max(1);
        let is_one = |number: &u32| {
            *number > 0 && u64::from(number - 1).saturating_mul(part_size) < self.size
        };
        let parts = upload.parts.into_iter().map(|part| (part.number, part));
        let missing: BTreeMap<_, _> = parts.filter(|(number, _)| is_one(number)).collect();
        self.ask = false;
        self.told = Some(Told {
            key: upload.key,
            complete: upload.complete,
            part_size,
            stored: upload.stored.into_iter().filter(is_one).collect(),
            named: !missing.is_empty(),
            missing,
            holds_until: now_ms.saturating_add(upload.expires_in_ms.max(1)),
        });
    }

    /// Bytes that the store has, with those that have left.
    pub(super) fn sent(&self) -> u64 {
        let Some(told) = &self.told else { return 0 };
        if told.complete {
            return self.size;
        }
        let stored: u64 = told.stored.iter().map(|number| told.bytes_of(*number, self.size)).sum();
        let on_way = self.put.as_ref().filter(|put| !told.stored.contains(&put.number));
        (stored + on_way.map_or(0, |put| put.sent)).min(self.size)
    }
}
