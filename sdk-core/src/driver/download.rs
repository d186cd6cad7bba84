//! Files as they come: from an address into the folder of files, on from what is there.

use std::sync::Arc;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, RANGE};

use tokio::time::Instant;

use super::http::{Http, trouble};
use super::{Driver, Outcome};
use crate::defaults;
use crate::engine::{Fetch, FetchEnd, FetchId, FileJob, FileJobId, RequestError};
use crate::error::StoreError;
use crate::files::{FileFolder, Part};

impl Driver {
    pub(super) fn fetch(&mut self, id: FetchId, fetch: Fetch) {
        let (http, files) = (self.http.clone(), self.files.clone());
        let outcomes = self.outcomes.clone();
        let task = self.tasks.spawn(async move {
            let end = Reading { http: &http, files: &files, fetch: &fetch }.run().await;
            let _ = outcomes.send(Outcome::Fetched(id, end));
        });
        self.fetches.insert(id, task);
    }

    pub(super) fn cancel_fetch(&mut self, id: FetchId) {
        if let Some(task) = self.fetches.remove(&id) {
            task.abort();
        }
    }

    pub(super) fn file_job(&mut self, id: FileJobId, job: FileJob) {
        let outcomes = self.outcomes.clone();
        self.files.carry_out(job, move |result| {
            let _ = outcomes.send(Outcome::FileJob(id, result));
        });
    }

    /// Lets go of the store behind all that is still done in the folder of files.
    pub(super) fn release_store(&mut self) {
        let outcomes = self.outcomes.clone();
        let release = self.store.releasing(move || {
            let _ = outcomes.send(Outcome::Released);
        });
        if self.files.is_idle() { release() } else { self.files.run(release) }
    }
}

struct Reading<'a> {
    http: &'a Arc<Http>,
    files: &'a Arc<FileFolder>,
    fetch: &'a Fetch,
}

/// Why the reading ended before the file was whole.
enum Stop {
    Status(StatusCode),
    Network(String),
    Disk(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Disk(error)
    }
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        Stop::Network(error.to_string())
    }
}

impl Reading<'_> {
    async fn run(&self) -> FetchEnd {
        let mut brought = 0;
        match self.read(&mut brought).await {
            Ok(part) => FetchEnd::Whole { sha256: part.sha256(), brought },
            Err(Stop::Status(status)) => FetchEnd::Status(status.as_u16()),
            Err(Stop::Network(reason)) => FetchEnd::Broke { reason, brought },
            Err(Stop::Disk(error)) => FetchEnd::Disk(error),
        }
    }

    async fn read(&self, brought: &mut u64) -> Result<Part, Stop> {
        let size = self.fetch.size;
        let mut part = self.files.part(&self.fetch.key, size).await?;
        self.reached(&part);
        if part.bytes == size {
            return Ok(part);
        }
        let mut response = self.ask(part.bytes).await?;
        part = self.begin(&response, part).await?;
        let (mut gathered, mut written) = (Vec::new(), Instant::now());
        loop {
            let next = tokio::time::timeout(defaults::FILE_SILENCE, response.chunk()).await;
            let (chunk, stop) = match next {
                Ok(Ok(chunk)) => (chunk, None),
                Ok(Err(error)) => (None, Some(trouble(&error.without_url()).into())),
                Err(_) => (None, Some(Stop::Network("nothing came for a while".into()))),
            };
            let ended = chunk.is_none();
            if let Some(chunk) = chunk {
                self.http.traffic.receives(chunk.len());
                *brought += chunk.len() as u64;
                gathered.extend_from_slice(&chunk);
            }
            let room = size - part.bytes;
            if gathered.len() as u64 > room {
                return Err(Stop::Network("more came than the file has".into()));
            }
            let due = written.elapsed() >= defaults::FILE_STEP;
            let full = gathered.len() >= defaults::FILE_CHUNK || gathered.len() as u64 == room;
            if ended || due || full {
                part = self.files.write(part, std::mem::take(&mut gathered)).await?;
                self.reached(&part);
                written = Instant::now();
            }
            if part.bytes == size {
                return Ok(part);
            }
            if ended {
                return Err(stop.unwrap_or(Stop::Network("the file broke off".into())));
            }
        }
    }

    /// Asks for the file from this byte on, without anything that identifies the user.
    async fn ask(&self, from: u64) -> Result<reqwest::Response, Stop> {
        let mut request = self
            .http
            .files()
            .map_err(Stop::Network)?
            .get(self.http.resolve(&self.fetch.url))
            // What was packed would have no length to hold it against.
            .header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let answer = tokio::time::timeout(defaults::REQUEST_TIMEOUT, request.send()).await;
        let late = |_| Stop::Network("no answer in time".into());
        let response = answer.map_err(late)?;
        response.map_err(|error| trouble(&error.without_url()).into())
    }

    /// Looks whether an answer is the rest of the file, or all of it.
    async fn begin(&self, response: &reqwest::Response, mut part: Part) -> Result<Part, Stop> {
        let size = self.fetch.size;
        let somebody_else =
            || Stop::Network("something else than the file came: from a portal, perhaps".into());
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let length = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        let packed = header(CONTENT_ENCODING).is_some_and(|how| how != "identity");
        match response.status() {
            StatusCode::OK => {
                if packed || length != Some(size) {
                    return Err(somebody_else());
                }
                if part.bytes > 0 {
                    // It knows no ranges.
                    part = self.files.restart(part).await?;
                    self.reached(&part);
                }
            }
            StatusCode::PARTIAL_CONTENT => {
                let range = format!("bytes {}-{}/{size}", part.bytes, size - 1);
                if packed || header(CONTENT_RANGE) != Some(range.as_str()) {
                    return Err(somebody_else());
                }
            }
            status => return Err(Stop::Status(status)),
        }
        Ok(part)
    }

    fn reached(&self, part: &Part) {
        self.files.reached(&self.fetch.key, part.bytes);
    }
}
