//! How a file comes: the server tells where it is, the bytes are read from there, and what they come to is
//! held against what the message says. What goes wrong on the way is tried again, for as long as somebody wants
//! the file.

use tidewire_protocol::{FileAccess, FileKey};

use super::{Fetch, FetchEnd, FetchId, FileJob, JobFor, Source, Step};
use crate::defaults;
use crate::engine::effect::{Effect, Request, RequestError, RequestId, Response};
use crate::engine::time::{Now, Timer};
use crate::engine::{Engine, Purpose};
use crate::error::{DownloadError, Error};

impl Engine {
    pub(super) fn fetch_files(&mut self) {
        let now = self.now.mono_ms;
        let under_way = self.files.wanted.values().filter(|it| it.is_under_way()).count();
        let mut room = defaults::DOWNLOADS_IN_FLIGHT.saturating_sub(under_way);
        for key in self.files.in_order() {
            let Some(wanted) = self.files.wanted.get(&key) else { continue };
            if room == 0 {
                return;
            }
            if wanted.step != Step::Waiting {
                continue;
            }
            if wanted.not_before > now {
                self.timers.arm_no_later(Timer::Files, wanted.not_before);
                continue;
            }
            self.fetch_file(&key);
            room -= usize::from(self.files.wanted.get(&key).is_some_and(|it| it.is_under_way()));
        }
    }

    /// The next step for a file that waits.
    fn fetch_file(&mut self, key: &FileKey) {
        let now = self.now.mono_ms;
        let may_ask = self.auth.is_ready() && self.http_is_open();
        let Some(wanted) = self.files.wanted.get_mut(key) else { return };
        if let Some(base) = &self.files.base_url
            && wanted.source.is_none()
            && wanted.astray == 0
        {
            let url = format!("{base}{key}");
            wanted.source = Some(Source { url, until_ms: None, guessed: true });
        }
        let good = |source: &&Source| source.until_ms.is_none_or(|until| now < until);
        if let Some(source) = wanted.source.as_ref().filter(good) {
            let fetch = Fetch { key: key.clone(), url: source.url.clone(), size: wanted.file.size };
            let id = FetchId(self.id());
            if let Some(wanted) = self.files.wanted.get_mut(key) {
                wanted.step = Step::Fetching(id);
            }
            self.files.begin_part(key);
            self.make_room();
            self.reach_out();
            self.effect(Effect::Fetch(id, fetch));
        } else if may_ask {
            wanted.source = None;
            let request = self.request(Request::File(key.clone()), Purpose::File);
            if let Some(wanted) = self.files.wanted.get_mut(key) {
                wanted.step = Step::Asking(request);
            }
        }
    }

    /// The server has told where a file is, or that it is not to be had.
    pub(crate) fn file_told(&mut self, id: RequestId, answer: Result<Response, RequestError>) {
        let Some(key) = self.files.by_request(id) else { return };
        let now = self.now.mono_ms;
        let Some(wanted) = self.files.wanted.get_mut(&key) else { return };
        wanted.step = Step::Waiting;
        match answer {
            Ok(Response::File(FileAccess { url, expires_in_ms, base_url })) => {
                let until_ms = expires_in_ms.map(|lasts| now.saturating_add(lasts));
                wanted.source = Some(Source { url, until_ms, guessed: false });
                self.files.base_url = base_url;
            }
            // Another token is being fetched.
            Err(RequestError::Refused(error)) if error.code.status() == 401 => {}
            Err(RequestError::Refused(error)) if !error.temporary => {
                self.download_failed(&key, &Error::Refused(error));
            }
            Err(RequestError::Refused(error)) => self.file_waits(&key, error.retry_after_ms),
            Err(RequestError::Network(_)) => self.file_waits(&key, None),
            Ok(other) => {
                tracing::error!(?other, "an answer of another call");
                self.file_waits(&key, None);
            }
        }
    }

    fn file_waits(&mut self, key: &FileKey, slot: Option<u64>) {
        if let Some(wanted) = self.files.wanted.get_mut(key) {
            wanted.step = Step::Waiting;
            wanted.not_before = self.now.mono_ms + wanted.backoff.fail(slot, &mut self.rng);
        }
    }

    /// An attempt to read a file has ended.
    pub fn handle_fetched(&mut self, now: Now, id: FetchId, end: FetchEnd) {
        self.now = now;
        if let Some(key) = self.files.key_where(|step| *step == Step::Fetching(id)) {
            self.fetched(&key, end);
        }
        self.advance();
    }

    fn fetched(&mut self, key: &FileKey, end: FetchEnd) {
        let Some(wanted) = self.files.wanted.get_mut(key) else { return };
        wanted.step = Step::Waiting;
        match end {
            FetchEnd::Whole { sha256, brought } if sha256 == wanted.file.sha256 => {
                self.files.received += brought;
                let job = self.file_job(FileJob::Keep(key.clone()), JobFor::Wanted(key.clone()));
                if let Some(wanted) = self.files.wanted.get_mut(key) {
                    wanted.step = Step::Keeping(job);
                }
            }
            FetchEnd::Whole { brought, .. } => {
                wanted.mismatches += 1;
                wanted.source = None;
                let often = wanted.mismatches >= defaults::FILE_MISMATCHES;
                self.files.received += brought;
                self.file_job(FileJob::DropPart(key.clone()), JobFor::Nobody);
                if often {
                    self.download_failed(key, &DownloadError::Damaged.into());
                }
            }
            FetchEnd::Status(status) => {
                let guessed = wanted.source.take().is_some_and(|source| source.guessed);
                if guessed {
                    // The server itself will know.
                    self.files.base_url = None;
                }
                if status == 416 {
                    // What is here is not of this file.
                    self.file_job(FileJob::DropPart(key.clone()), JobFor::Nobody);
                }
                self.led_astray(key, matches!(status, 403 | 404 | 410 | 416));
            }
            FetchEnd::Broke { brought, .. } => {
                if brought > 0 {
                    self.files.received += brought;
                    wanted.astray = 0;
                    wanted.backoff.reset();
                }
                self.file_waits(key, None);
            }
            FetchEnd::Disk(error) => self.download_failed(key, &Error::Store(error)),
        }
    }

    /// An address led nowhere. The first time the server is asked at once for another; what else it
    /// answered is network trouble.
    fn led_astray(&mut self, key: &FileKey, ended: bool) {
        let Some(wanted) = self.files.wanted.get_mut(key) else { return };
        wanted.astray += 1;
        if !ended || wanted.astray > 1 {
            self.file_waits(key, None);
        }
    }
}
