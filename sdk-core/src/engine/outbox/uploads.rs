//! Uploads: how the files of messages that wait get into the object store.
//!
//! Nothing of it is on disk but whether a file is there. What is missing of it the server says; what comes
//! next is derived from that and from what is on its way: ask, put a part, complete, or nothing. So it goes on
//! alike after a cut, a rest and a restart. One part of a file is on its way at a time: that is what has to go
//! out again after a cut.

use std::collections::{BTreeSet, HashMap};

use tidewire_protocol::{ErrorCode, EventId, FileKey, RoomId, UploadId, WireError};

use super::upload::{Going, Next, PartNews, Put, UploadCall};
use super::{FailReason, OutboxRow};
use crate::config::millis;
use crate::defaults;
use crate::engine::backoff::Backoff;
use crate::engine::disk::commit::After;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::{Effect, Request, RequestError, RequestId, Response};
use crate::engine::time::{Now, Timer};
use crate::engine::{Engine, Phase, Purpose};

/// All uploads that are to go on.
#[derive(Debug)]
pub(crate) struct Uploads {
    /// In the order in which they were queued. The first few go at a time.
    going: Vec<Going>,
    backoff: Backoff,
    /// Until when the server asked for no uploads.
    slot_until: u64,
    /// How often the server knew nothing of the files of a message any more when that was sent.
    again: HashMap<EventId, u32>,
    /// Rooms whose windows do not show yet how far their uploads are.
    unshown: BTreeSet<RoomId>,
    shown_at: Option<u64>,
}

impl Uploads {
    pub(crate) fn new() -> Self {
        Self {
            going: Vec::new(),
            backoff: Backoff::new(),
            slot_until: 0,
            again: HashMap::new(),
            unshown: BTreeSet::new(),
            shown_at: None,
        }
    }

    /// What is to go on of a message. Twice is once.
    fn add(&mut self, row: &OutboxRow) {
        if row.failed.is_some() {
            return;
        }
        for file in row.files.iter().filter(|file| !file.uploaded) {
            if self.get(file.id).is_none() {
                self.going.push(Going::new(row, file.id, file.size));
            }
        }
    }

    fn get(&mut self, id: UploadId) -> Option<&mut Going> {
        self.going.iter_mut().find(|going| going.id == id)
    }

    /// Takes those of a message out; gives what of them was on its way.
    fn remove(&mut self, message: EventId) -> Vec<RequestId> {
        let mut puts = Vec::new();
        self.going.retain(|going| {
            let stays = going.message != message;
            puts.extend(going.put.as_ref().filter(|_| !stays).map(|put| put.id));
            stays
        });
        puts
    }

    /// Nothing is on its way any more: the server is asked first when they go on.
    fn stop(&mut self) -> Vec<RequestId> {
        let mut puts = Vec::new();
        for going in &mut self.going {
            let put = going.put.take();
            going.ask |= put.is_some() || going.call.is_some();
            going.call = None;
            puts.extend(put.map(|put| put.id));
        }
        puts
    }

    /// Whether anything could go on.
    pub(crate) fn has_work(&self) -> bool {
        !self.going.is_empty()
    }

    pub(crate) fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// Whether the server gave a slot that is still to come.
    pub(crate) fn has_slot(&self, now_ms: u64) -> bool {
        now_ms < self.slot_until
    }

    /// Whether anything of a message's files is on its way, and whether others go before them.
    pub(crate) fn stands(&self, message: EventId) -> (bool, bool) {
        let of = |going: &&Going| going.message == message;
        let moves = self.going.iter().filter(of).any(|g| g.put.is_some() || g.call.is_some());
        let first = self.going.iter().take(defaults::UPLOADS_IN_FLIGHT).any(|g| of(&g));
        (moves, !first)
    }
}

impl Engine {
    /// Files of a message that is on disk now, or is to be sent again.
    pub(crate) fn begin_uploads(&mut self, message: EventId) {
        if let Some(row) = self.outbox.get(message) {
            self.uploads.add(row);
        }
    }

    /// All that waits on disk.
    pub(crate) fn load_uploads(&mut self) {
        self.drop_uploads_on_their_way();
        self.uploads.going.clear();
        for row in self.outbox.uploading() {
            self.uploads.add(row);
        }
    }

    /// A message failed, or goes: nothing of its files leaves any more.
    pub(crate) fn end_uploads(&mut self, message: EventId) {
        for put in self.uploads.remove(message) {
            self.effect(Effect::DropPut(put));
        }
    }

    /// There is no network, another one, or no store to write to: what was on its way is given up.
    pub(crate) fn drop_uploads_on_their_way(&mut self) {
        for put in self.uploads.stop() {
            self.effect(Effect::DropPut(put));
        }
        for at in 0..self.uploads.going.len() {
            self.show_progress(at);
        }
    }

    /// Lets the first few go on.
    pub(crate) fn advance_uploads(&mut self) {
        self.advance_progress();
        if self.uploads.going.is_empty() {
            self.timers.disarm(Timer::UploadRetry);
            return;
        }
        if !self.online() {
            if self.uploads.going.iter().any(|going| going.put.is_some() || going.call.is_some()) {
                self.drop_uploads_on_their_way();
            }
            return;
        }
        if self.cursor.is_none() || !self.auth.is_ready() {
            return;
        }
        let waits = self.timers.get(Timer::UploadRetry).is_some();
        let mut at = 0;
        while at < self.uploads.going.len().min(defaults::UPLOADS_IN_FLIGHT) {
            let going = &self.uploads.going[at];
            let (id, next) = (going.id, going.next(self.now.mono_ms));
            match next {
                Next::Nothing => {}
                Next::Finish(key) => {
                    if self.finish_upload(at, key) {
                        continue;
                    }
                }
                _ if waits => {}
                Next::Call(call) if self.http_is_open() => self.call_upload(at, call),
                Next::Call(_) => {}
                Next::Put(part) => {
                    let number = part.part.number;
                    let put = RequestId(self.id());
                    self.reach_out();
                    self.uploads.going[at].put = Some(Put { id: put, number, sent: 0 });
                    self.effect(Effect::PutPart(put, part));
                }
                Next::Nonsense => {
                    tracing::warn!(upload = %id, "the server lacks parts that it does not name");
                    self.uploads.going[at].told = None;
                    self.uploads_wait(None);
                    return;
                }
            }
            at += 1;
        }
    }

    fn call_upload(&mut self, at: usize, call: UploadCall) {
        let id = self.uploads.going[at].id;
        let request = match call {
            UploadCall::Complete => Request::CompleteUpload(id),
            UploadCall::Begin => {
                let message = self.uploads.going[at].message;
                let file = self.outbox.get(message).and_then(|row| row.file(id));
                let Some(request) = file.map(super::files::OutgoingFile::request) else { return };
                Request::BeginUpload(request)
            }
        };
        let request = self.request(request, Purpose::Upload(id));
        self.uploads.going[at].call = Some((request, call));
    }

    /// The server has answered, or not.
    pub(crate) fn upload_answered(
        &mut self,
        upload: UploadId,
        request: RequestId,
        answer: Result<Response, RequestError>,
    ) {
        let now = self.now.mono_ms;
        let asked = |going: &&mut Going| going.call.is_some_and(|(id, _)| id == request);
        let Some(going) = self.uploads.get(upload).filter(asked) else { return };
        let Some((_, call)) = going.call.take() else { return };
        let error = match answer {
            Ok(Response::Upload(told)) => {
                going.hear(told, now);
                if call == UploadCall::Complete {
                    self.uploads.backoff.reset();
                }
                self.show_progress_of(upload);
                return;
            }
            Ok(_) => return self.uploads_wait(None),
            Err(RequestError::Network(_)) => return self.uploads_wait(None),
            Err(RequestError::Refused(error)) => error,
        };
        match error.code {
            // Another token is fetched, and it goes on by itself.
            _ if error.code.status() == 401 => {}
            _ if error.temporary => self.uploads_wait(error.retry_after_ms),
            ErrorCode::UploadIncomplete | ErrorCode::UnknownUpload
                if call == UploadCall::Complete =>
            {
                self.upload_refused(upload);
            }
            ErrorCode::ChecksumMismatch if going.mismatches == 0 => {
                going.mismatches += 1;
                going.told = None;
                self.show_progress_of(upload);
            }
            _ => self.upload_failed(upload, FailReason::Refused(error)),
        }
    }

    /// Something is not as the server said before: it is asked at once, and from the second time on after a
    /// while.
    fn upload_refused(&mut self, upload: UploadId) {
        let Some(going) = self.uploads.get(upload) else { return };
        going.ask = true;
        going.refusals += 1;
        if going.refusals > 1 {
            self.uploads_wait(None);
        }
    }

    /// News of a part.
    pub fn handle_part(&mut self, now: Now, id: RequestId, news: PartNews) {
        self.now = now;
        let of = |going: &&mut Going| going.put.as_ref().is_some_and(|put| put.id == id);
        if let Some(going) = self.uploads.going.iter_mut().find(of) {
            let upload = going.id;
            let put = match (&news, &mut going.put) {
                (PartNews::Sent(bytes), Some(put)) => {
                    put.sent = put.sent.max(*bytes);
                    None
                }
                (_, put) => put.take(),
            };
            match (news, put) {
                (PartNews::Stored, Some(put)) => {
                    self.radio.used(now.mono_ms);
                    going.refusals = 0;
                    if let Some(told) = &mut going.told {
                        told.missing.remove(&put.number);
                        told.stored.insert(put.number);
                    }
                    self.uploads.backoff.reset();
                }
                (PartNews::Refused { status }, _) => {
                    tracing::debug!(%upload, status, "an address of a part leads nowhere");
                    self.upload_refused(upload);
                }
                (PartNews::Trouble(reason), _) => {
                    tracing::debug!(%upload, reason, "a part did not arrive");
                    // It may have arrived all the same.
                    going.ask = true;
                    self.uploads_wait(None);
                }
                (PartNews::Copy(trouble), _) => {
                    self.upload_failed(upload, FailReason::Copy(trouble))
                }
                (PartNews::Sent(_) | PartNews::Stored, _) => {}
            }
            self.show_progress_of(upload);
        }
        self.advance();
    }

    /// Uploads wait: for the server's slot, or a while.
    fn uploads_wait(&mut self, slot: Option<u64>) {
        let until = self.now.mono_ms + self.uploads.backoff.fail(slot, &mut self.rng);
        if slot.is_some() {
            self.uploads.slot_until = self.uploads.slot_until.max(until);
        }
        self.timers.arm(Timer::UploadRetry, until.max(self.uploads.slot_until));
    }

    /// There is another network, or somebody looks: what failed a moment ago may work now. A slot stands.
    pub(crate) fn uploads_may_go_on(&mut self) {
        if self.now.mono_ms >= self.uploads.slot_until {
            self.uploads.backoff.reset();
            self.timers.disarm(Timer::UploadRetry);
        }
    }

    /// The app is awake: a slot stands.
    pub(crate) fn uploads_wake(&mut self) {
        self.uploads.backoff.reset();
        if self.now.mono_ms < self.uploads.slot_until {
            self.timers.arm(Timer::UploadRetry, self.uploads.slot_until);
        }
    }

    /// Nothing but the user can make something of it.
    fn upload_failed(&mut self, upload: UploadId, reason: FailReason) {
        let Some(message) = self.uploads.get(upload).map(|going| going.message) else { return };
        if self.phase != Phase::Ready {
            return;
        }
        let mut transaction = Transaction { durable: true, ..Transaction::default() };
        let mut after = After::default();
        self.fail(&mut transaction, &mut after, message, reason);
        self.commit(transaction, after);
    }

    /// A file is in the store. With the last one the message lists them all, and may leave. Gives whether the
    /// upload is done with.
    fn finish_upload(&mut self, at: usize, key: FileKey) -> bool {
        let Going { id, message, .. } = self.uploads.going[at];
        // What it says is on its way to the disk: it is rewritten after that.
        if self.phase != Phase::Ready || self.outbox.is_amended(message) {
            return false;
        }
        self.uploads.going.remove(at);
        let mut transaction =
            Transaction { durable: true, independent: true, ..Transaction::default() };
        transaction.push(Write::Uploaded(id, key.clone()));
        let mut after = After::default();
        match self.outbox.set_uploaded(message, id, key) {
            Ok(Some(content)) => {
                self.outbox.begin_amend(message);
                transaction.push(Write::Amend(message, content.clone()));
                after.amended = Some((message, content));
            }
            Ok(None) => {}
            Err(error) => {
                // It was looked at before it was queued.
                tracing::error!(%error, "a message can not list its files");
                self.fail(&mut transaction, &mut after, message, FailReason::Unknown);
            }
        }
        if let Some(room) = self.outbox.get(message).map(|row| row.room) {
            self.touch(room);
        }
        self.commit(transaction, after);
        true
    }

    /// The server knew nothing of a message's files when that was sent: they waited too long for it. Gives
    /// whether they go up again.
    pub(crate) fn upload_again(&mut self, error: &WireError, message: EventId) -> bool {
        let lacks = matches!(error.code, ErrorCode::UnknownUpload | ErrorCode::UploadIncomplete);
        let has_files = self.outbox.get(message).is_some_and(|row| !row.files.is_empty());
        let times = self.uploads.again.get(&message).copied().unwrap_or_default();
        if !lacks || !has_files || times >= defaults::UPLOADS_AGAIN {
            return false;
        }
        self.uploads.again.insert(message, times + 1);
        self.outbox.set_not_uploaded(message);
        self.begin_uploads(message);
        true
    }

    /// A message with files has left the outbox, for the log or for good. Called once that is on disk.
    pub(crate) fn files_done(&mut self, row: OutboxRow, withdrawn: bool) {
        if row.files.is_empty() {
            return;
        }
        self.end_uploads(row.op.id);
        self.uploads.again.remove(&row.op.id);
        for file in row.files {
            // What the server has of it goes by itself within a day. Sooner, if it can be told.
            if withdrawn && self.online() && self.auth.is_ready() && !self.rests() {
                self.request(Request::CancelUpload(file.id), Purpose::Told);
            }
            match file.key.filter(|_| !withdrawn && !self.rests()) {
                // Who opens what was sent from here need not fetch it.
                Some(key) => self.adopt_file(key, file.id),
                None => self.effect(Effect::DropCopy(file.id)),
            }
        }
    }

    fn show_progress_of(&mut self, upload: UploadId) {
        if let Some(at) = self.uploads.going.iter().position(|going| going.id == upload) {
            self.show_progress(at);
        }
    }

    fn show_progress(&mut self, at: usize) {
        let going = &self.uploads.going[at];
        if self.outbox.set_sent(going.message, going.id, going.sent()) {
            self.uploads.unshown.insert(going.room);
        }
    }

    /// Windows show how far uploads are, not more often than somebody can see it.
    fn advance_progress(&mut self) {
        if self.uploads.unshown.is_empty() {
            self.timers.disarm(Timer::Progress);
            return;
        }
        let pause = millis(defaults::PROGRESS_PAUSE);
        let due = self.uploads.shown_at.map_or(0, |at| at + pause);
        if self.now.mono_ms < due {
            self.timers.arm(Timer::Progress, due);
            return;
        }
        self.timers.disarm(Timer::Progress);
        self.uploads.shown_at = Some(self.now.mono_ms);
        for room in std::mem::take(&mut self.uploads.unshown) {
            for (_, window) in self.windows.of_mut(room) {
                window.dirty = true;
            }
        }
    }
}
