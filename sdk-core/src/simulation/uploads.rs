//! Files in the model server: uploads in parts, all in memory, and who gets what of them. Addresses hold by the model's
//! clock.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use tidewire_protocol::{
    Body, Checksum, ErrorCode, ErrorDetail, Event, EventId, FileAccess, FileKey, MessageContent,
    Op, RoomId, Upload, UploadId, UploadPart, UploadRequest, UserId, WireError, limits,
};

#[cfg(test)]
use super::client::SimClient;
use super::server::ModelServer;
#[cfg(test)]
use crate::engine::{PartNews, PartPut};

/// How long addresses hold, in ms of the model's clock.
const URL_MS: i64 = 3_600_000;

/// An upload, and the file that it becomes.
#[derive(Debug)]
pub struct ModelUpload {
    user: UserId,
    request: UploadRequest,
    key: FileKey,
    part_size: u64,
    /// Which beginning of it this is: addresses of an earlier one lead nowhere.
    life: u64,
    /// The parts that have arrived.
    pub parts: BTreeMap<u32, Vec<u8>>,
    /// All of it, once it was checked.
    file: Option<Vec<u8>>,
    /// The messages that list it.
    listed: BTreeSet<(RoomId, EventId)>,
    /// When it was last asked for.
    touched: i64,
}

fn no(code: ErrorCode, text: &str) -> WireError {
    WireError::new(code, text)
}

fn unknown_upload() -> WireError {
    no(ErrorCode::UnknownUpload, "there is no such upload of yours, or not any more")
}

fn checksum(bytes: &[u8]) -> Checksum {
    Checksum::new(Sha256::digest(bytes).into())
}

fn key_of(user: &UserId, request: &UploadRequest) -> FileKey {
    let text = format!("{user}\0{}\0{}", request.id, request.sha256);
    FileKey::new(&checksum(text.as_bytes()).to_string()[..32]).unwrap()
}

impl ModelUpload {
    fn count(&self) -> u32 {
        self.request.size.div_ceil(self.part_size) as u32
    }

    fn bytes_of(&self, number: u32) -> u64 {
        let before = u64::from(number - 1) * self.part_size;
        self.part_size.min(self.request.size - before)
    }

    fn missing(&self) -> Vec<u32> {
        (1..=self.count()).filter(|number| !self.parts.contains_key(number)).collect()
    }

    fn told(&self, now: i64) -> Upload {
        let complete = self.file.is_some();
        let address = |number| {
            let (key, life, bytes) = (&self.key, self.life, self.bytes_of(number));
            let expires = now + URL_MS;
            let url = format!(
                "/v1/objects/{key}?partNumber={number}&uploadId={life}&size={bytes}&expires={expires}"
            );
            UploadPart { number, url, headers: BTreeMap::new() }
        };
        let missing = if complete { Vec::new() } else { self.missing() };
        let parts: Vec<_> =
            missing.into_iter().take(limits::UPLOAD_PARTS_PER_ANSWER).map(address).collect();
        Upload {
            id: self.request.id,
            key: self.key.clone(),
            complete,
            part_size: self.part_size,
            stored: self.parts.keys().copied().filter(|_| !complete).collect(),
            expires_in_ms: if parts.is_empty() { 0 } else { URL_MS as u64 },
            parts,
        }
    }
}

/// The key of an address, and what else it says.
fn read(url: &str) -> Option<(&str, BTreeMap<&str, &str>)> {
    let (key, query) = url.strip_prefix("/v1/objects/")?.split_once('?')?;
    Some((key, query.split('&').filter_map(|pair| pair.split_once('=')).collect()))
}

impl ModelServer {
    /// Begins an upload or goes on with it: `POST /v1/uploads`.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn begin_upload(
        &mut self,
        user: &UserId,
        request: UploadRequest,
    ) -> Result<Upload, WireError> {
        if let Err(error) = request.validate() {
            return Err(no(ErrorCode::InvalidContent, &error.to_string()));
        }
        if request.size > self.max_upload_bytes {
            let max_bytes = Some(self.max_upload_bytes);
            let detail = ErrorDetail { max_bytes, ..ErrorDetail::default() };
            return Err(no(ErrorCode::TooLarge, "the file is too large").detail(detail));
        }
        self.uploads_begun += 1;
        let (life, now, part_size) = (self.uploads_begun, self.clock, self.upload_part_bytes);
        let least = request.size.div_ceil(u64::from(limits::UPLOAD_PARTS));
        let upload = self.uploads.entry(request.id).or_insert_with(|| ModelUpload {
            user: user.clone(),
            key: key_of(user, &request),
            request: request.clone(),
            part_size: part_size.max(least),
            life,
            parts: BTreeMap::new(),
            file: None,
            listed: BTreeSet::new(),
            touched: now,
        });
        if upload.user != *user || upload.request != request {
            return Err(no(ErrorCode::IdTaken, "this id is another upload's"));
        }
        upload.touched = now;
        Ok(upload.told(now))
    }

    /// Puts a part: `PUT` to its address.
    ///
    /// # Errors
    /// As the server's own store tells them.
    pub fn put_part(&mut self, url: &str, bytes: &[u8]) -> Result<(), WireError> {
        let ended = || no(ErrorCode::UrlExpired, "this address has ended, or is none");
        let (key, said) = read(url).ok_or_else(ended)?;
        let number = |name: &str| said.get(name).and_then(|text| text.parse::<u64>().ok());
        let (Some(part), Some(life), Some(expires)) =
            (number("partNumber"), number("uploadId"), number("expires"))
        else {
            return Err(ended());
        };
        if self.clock >= expires as i64 {
            return Err(ended());
        }
        let upload = self.uploads.values_mut().find(|upload| {
            upload.key.as_str() == key && upload.life == life && upload.file.is_none()
        });
        let upload = upload.ok_or_else(unknown_upload)?;
        let part = part as u32;
        if bytes.len() as u64 != upload.bytes_of(part) {
            return Err(no(ErrorCode::InvalidContent, "this part has another size"));
        }
        upload.parts.insert(part, bytes.to_vec());
        Ok(())
    }

    /// Takes a part of a client's copy, as its store would answer.
    #[cfg(test)]
    pub(super) fn take_part(&mut self, client: &SimClient, put: &PartPut) -> PartNews {
        match client.part(put).map(|bytes| self.put_part(&put.part.url, &bytes)) {
            Err(trouble) => PartNews::Copy(trouble),
            Ok(Ok(())) => PartNews::Stored,
            Ok(Err(error)) => PartNews::Refused { status: error.code.status() },
        }
    }

    /// All parts are there: `POST /v1/uploads/{id}/complete`.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn complete_upload(&mut self, user: &UserId, id: UploadId) -> Result<Upload, WireError> {
        self.uploads_begun += 1;
        let (life, now) = (self.uploads_begun, self.clock);
        let upload = self.uploads.get_mut(&id).filter(|upload| upload.user == *user);
        let upload = upload.ok_or_else(unknown_upload)?;
        if upload.file.is_none() {
            let missing_parts = upload.missing();
            if !missing_parts.is_empty() {
                let detail = ErrorDetail { missing_parts, ..ErrorDetail::default() };
                let error = no(ErrorCode::UploadIncomplete, "parts are missing");
                return Err(error.detail(detail));
            }
            let file =
                std::mem::take(&mut upload.parts).into_values().flatten().collect::<Vec<_>>();
            if checksum(&file) != upload.request.sha256 {
                upload.life = life;
                return Err(no(ErrorCode::ChecksumMismatch, "it is not what was declared"));
            }
            upload.file = Some(file);
            upload.touched = now;
        }
        Ok(upload.told(now))
    }

    /// Gives an upload up: `DELETE /v1/uploads/{id}`.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn cancel_upload(&mut self, user: &UserId, id: UploadId) -> Result<(), WireError> {
        match self.uploads.get(&id) {
            Some(upload) if upload.user == *user && !upload.listed.is_empty() => {
                Err(no(ErrorCode::Forbidden, "a message lists this file"))
            }
            Some(upload) if upload.user == *user => {
                self.uploads.remove(&id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Where a file is got from: `GET /v1/files/{key}`.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn file_access(&self, user: &UserId, key: &FileKey) -> Result<FileAccess, WireError> {
        let found = self.uploads.values().find(|upload| upload.key == *key);
        let found = found.filter(|upload| upload.file.is_some());
        let reads = |(room, message): &(RoomId, EventId)| {
            let seen = self.seen_by(user, *room);
            seen.is_ok_and(|(log, member)| {
                log.message(*message).is_some_and(|event| event.seq <= log.last_seen_by(member))
            })
        };
        match found {
            Some(upload) if upload.user == *user || upload.listed.iter().any(reads) => {
                let expires = self.clock + URL_MS;
                Ok(FileAccess {
                    url: format!("/v1/objects/{key}?expires={expires}"),
                    expires_in_ms: Some(URL_MS as u64),
                    base_url: None,
                })
            }
            _ => Err(no(ErrorCode::UnknownFile, "there is no such file, or you may not see it")),
        }
    }

    /// Gets a file: `GET` from its address.
    ///
    /// # Errors
    /// As the server's own store tells them.
    pub fn get_file(&self, url: &str) -> Result<Vec<u8>, WireError> {
        let ended = || no(ErrorCode::UrlExpired, "this address has ended, or is none");
        let (key, said) = read(url).ok_or_else(ended)?;
        let expires = said.get("expires").and_then(|text| text.parse::<i64>().ok());
        if said.contains_key("partNumber") || expires.is_none_or(|at| self.clock >= at) {
            return Err(ended());
        }
        let file = self.uploads.values().find(|upload| upload.key.as_str() == key);
        let file = file.and_then(|upload| upload.file.clone());
        file.ok_or_else(|| no(ErrorCode::UnknownFile, "there is no such file"))
    }

    /// Deletes the uploads that were last asked for before that moment and that no message lists.
    pub fn sweep_uploads(&mut self, before: i64) {
        self.uploads.retain(|_, upload| !upload.listed.is_empty() || upload.touched >= before);
    }

    /// Whether a message of this sender may list the files that it lists.
    pub(super) fn judge_files(&self, sender: &UserId, op: &Op) -> Result<(), WireError> {
        for file in files_of(op).unwrap_or_default().attachments {
            let upload = self.uploads.get(&file.id).filter(|upload| upload.user == *sender);
            let upload = upload.ok_or_else(unknown_upload)?;
            if upload.file.is_none() {
                return Err(no(ErrorCode::UploadIncomplete, "its upload is not complete"));
            }
            let UploadRequest { name, content_type, size, sha256, .. } = &upload.request;
            let said = (&file.name, &file.content_type, file.size, file.sha256, &file.key);
            if said != (name, content_type, *size, *sha256, &upload.key) {
                return Err(no(ErrorCode::InvalidContent, "a file is not what was uploaded"));
            }
        }
        Ok(())
    }

    /// Keeps which message lists which files, and lets those go that none lists any more.
    pub(super) fn keep_files(&mut self, event: &Event) {
        match event.body() {
            Body::Message(message) => {
                for file in message.attachments {
                    if let Some(upload) = self.uploads.get_mut(&file.id) {
                        upload.listed.insert((event.room, event.id));
                    }
                }
            }
            Body::Delete(delete) => {
                self.uploads.retain(|_, upload| {
                    let was = upload.listed.remove(&(event.room, delete.target));
                    !(was && upload.listed.is_empty())
                });
            }
            _ => {}
        }
    }
}

fn files_of(op: &Op) -> Option<MessageContent> {
    if op.kind != tidewire_protocol::EventKind::Message {
        return None;
    }
    op.content.parse().ok()
}
