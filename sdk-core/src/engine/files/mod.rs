//! Files of messages on their way to this device: each is got once, whoever asks and how often, goes on
//! from what is on disk after any trouble, and is kept for as long as there is room.
//!
//! The cache is a folder, and the folder is its own index: what a file's name, length and time of last
//! use say is all that has to be known, so that nothing can disagree with it after a crash.

mod fetching;
mod job;
mod kept;

use std::collections::BTreeMap;

use tidewire_protocol::{FileKey, UploadId};

use super::Engine;
use super::backoff::Backoff;
use super::command::Reply;
use super::effect::{CommandId, Effect, RequestId};
use super::time::{Now, Timer};
use crate::defaults;
use crate::error::{DownloadError, Error, StoreError};
pub use job::{
    DownloadId, Fetch, FetchEnd, FetchId, FileJob, FileJobId, KeptFile, KeptFiles, WantedFile,
};
pub use kept::DownloadReport;
use kept::Kept;

/// What a job was given for.
#[derive(Debug)]
enum JobFor {
    /// To know what is there; and for those who asked for a report.
    Listing(Vec<CommandId>),
    /// The file of this key.
    Wanted(FileKey),
    /// A file of this key was brought by somebody else.
    Adopting(FileKey),
    Nobody,
}

/// Where a file is got from.
#[derive(Debug, Clone)]
struct Source {
    url: String,
    until_ms: Option<u64>,
    /// Made of the deployment's base address, without asking.
    guessed: bool,
}

/// How far a file is.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nobody has looked whether it is here.
    New,
    /// The disk is asked whether it is here.
    Looking(FileJobId),
    /// It is not: for its turn, a network, a token, or the end of a delay.
    Waiting,
    /// The server is asked where it is.
    Asking(RequestId),
    Fetching(FetchId),
    /// It is whole and checked, and takes its place on the disk.
    Keeping(FileJobId),
}

/// A file on its way.
#[derive(Debug)]
struct Wanted {
    /// Those who asked first are served first.
    number: u64,
    file: WantedFile,
    askers: Vec<(DownloadId, CommandId)>,
    step: Step,
    source: Option<Source>,
    /// Addresses that led nowhere since bytes last came.
    astray: u32,
    /// How often what came was not what was declared.
    mismatches: u32,
    backoff: Backoff,
    not_before: u64,
}

impl Wanted {
    /// Takes part of the bound of downloads at a time.
    fn is_under_way(&self) -> bool {
        matches!(self.step, Step::Asking(_) | Step::Fetching(_) | Step::Keeping(_))
    }
}

/// All that is known of files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    wanted: BTreeMap<FileKey, Wanted>,
    /// What each handle of the app's is of, until it is dropped: its file stays.
    held: BTreeMap<DownloadId, FileKey>,
    jobs: BTreeMap<FileJobId, JobFor>,
    /// What is on disk; nothing before it was looked at.
    kept: Option<Kept>,
    /// Whether what is kept may be too much.
    grown: bool,
    /// Whether something was added although nobody has looked what is there.
    unseen: bool,
    /// Where every file of the deployment is, if it has such a place.
    base_url: Option<String>,
    next_wanted: u64,
    from_disk: u64,
    from_server: u64,
    received: u64,
}

impl Files {
    fn job_of_listing(&mut self) -> Option<&mut Vec<CommandId>> {
        self.jobs.values_mut().find_map(|job| match job {
            JobFor::Listing(commands) => Some(commands),
            _ => None,
        })
    }

    fn by_request(&self, id: RequestId) -> Option<FileKey> {
        self.key_where(|step| *step == Step::Asking(id))
    }

    fn key_where(&self, is: impl Fn(&Step) -> bool) -> Option<FileKey> {
        self.wanted.iter().find(|(_, wanted)| is(&wanted.step)).map(|(key, _)| key.clone())
    }

    /// The files on their way, in the order in which they were asked for.
    fn in_order(&self) -> Vec<FileKey> {
        let mut keys: Vec<_> = self.wanted.iter().collect();
        keys.sort_by_key(|(_, wanted)| wanted.number);
        keys.into_iter().map(|(key, _)| key.clone()).collect()
    }
}

impl Engine {
    /// The app wants a file.
    pub(crate) fn download(&mut self, command: CommandId, id: DownloadId, file: WantedFile) {
        let most = self.config.file_cache_bytes;
        if file.size > most {
            let error = DownloadError::TooLarge { size: file.size, most };
            self.reply(command, Err(error.into()));
            return;
        }
        let asker = (id, command);
        if let Some(wanted) = self.files.wanted.get_mut(&file.key) {
            if (wanted.file.size, wanted.file.sha256) != (file.size, file.sha256) {
                // A key is the same bytes always: one of the two messages lies.
                self.reply(command, Err(DownloadError::Damaged.into()));
                return;
            }
            wanted.askers.push(asker);
            self.files.held.insert(id, file.key);
            return;
        }
        self.files.next_wanted += 1;
        let wanted = Wanted {
            number: self.files.next_wanted,
            file: file.clone(),
            askers: vec![asker],
            step: Step::New,
            source: None,
            astray: 0,
            mismatches: 0,
            backoff: Backoff::new(),
            not_before: 0,
        };
        self.files.held.insert(id, file.key.clone());
        self.files.wanted.insert(file.key, wanted);
    }

    /// A handle of the app's is dropped: with the last one goes the download, but not what has come.
    pub(crate) fn close_download(&mut self, id: DownloadId) {
        let Some(key) = self.files.held.remove(&id) else { return };
        self.files.grown = true;
        let Some(wanted) = self.files.wanted.get_mut(&key) else { return };
        let place = wanted.askers.iter().position(|(asker, _)| *asker == id);
        let command = place.map(|place| wanted.askers.remove(place).1);
        // What is whole takes its place all the same.
        if wanted.askers.is_empty() && !matches!(wanted.step, Step::Keeping(_)) {
            self.stop(&key);
            self.files.wanted.remove(&key);
        }
        if let Some(command) = command {
            // Nobody hears it.
            self.reply(command, Err(Error::Closed));
        }
    }

    /// Ends what is on its way for a file.
    fn stop(&mut self, key: &FileKey) {
        let Some(wanted) = self.files.wanted.get_mut(key) else { return };
        let size = wanted.file.size;
        match std::mem::replace(&mut wanted.step, Step::Waiting) {
            Step::Fetching(id) => {
                // At most so much of it is on disk.
                self.files.part(key, size, self.now.wall_ms);
                self.effect(Effect::CancelFetch(id));
            }
            Step::Asking(request) => drop(self.requests.remove(&request)),
            Step::Looking(job) => {
                self.files.jobs.insert(job, JobFor::Nobody);
                if let Some(wanted) = self.files.wanted.get_mut(key) {
                    wanted.step = Step::New;
                }
            }
            step => wanted.step = step,
        }
    }

    /// The copy of a file that was sent from here takes its place in the cache: nobody has to fetch it.
    pub(crate) fn adopt_file(&mut self, key: FileKey, upload: UploadId) {
        let of = JobFor::Adopting(key.clone());
        self.file_job(FileJob::Adopt { key, upload }, of);
    }

    fn file_job(&mut self, job: FileJob, of: JobFor) -> FileJobId {
        let id = FileJobId(self.id());
        self.files.jobs.insert(id, of);
        self.effect(Effect::File(id, job));
        id
    }

    /// Tells of what is kept, for a report: asks the disk first.
    pub(crate) fn report_files(&mut self, command: CommandId) {
        match self.files.job_of_listing() {
            Some(commands) => commands.push(command),
            None => self.list_files(vec![command]),
        }
    }

    fn list_files(&mut self, commands: Vec<CommandId>) {
        let parts_kept_ms = crate::config::millis(defaults::FILE_PARTS_KEPT);
        self.file_job(FileJob::List { parts_kept_ms }, JobFor::Listing(commands));
    }

    /// A job in the folder of files is done, or could not be.
    pub fn handle_file_job(
        &mut self,
        now: Now,
        id: FileJobId,
        result: Result<KeptFiles, StoreError>,
    ) {
        self.now = now;
        match self.files.jobs.remove(&id) {
            Some(JobFor::Listing(commands)) => match result {
                Ok(kept) => {
                    self.files.listed(kept);
                    for command in commands {
                        self.report_sizes(command);
                    }
                }
                Err(error) => self.listing_failed(commands, &error),
            },
            Some(JobFor::Wanted(key)) => self.file_done(&key, id, result),
            Some(JobFor::Adopting(key)) => {
                if let Ok(KeptFiles { whole, .. }) = result
                    && let Some(file) = whole.into_iter().next()
                {
                    self.files.keep(&key, file.bytes, now.wall_ms);
                    self.files.unseen = self.files.kept.is_none();
                }
            }
            Some(JobFor::Nobody) | None => {}
        }
        self.advance();
    }

    fn listing_failed(&mut self, commands: Vec<CommandId>, error: &StoreError) {
        for command in commands {
            self.reply(command, Err(Error::Store(error.clone())));
        }
        // Who waits to be fetched can not be.
        for key in self.files.in_order() {
            if self.files.wanted.get(&key).is_some_and(|wanted| wanted.step == Step::Waiting) {
                self.download_failed(&key, &Error::Store(error.clone()));
            }
        }
    }

    /// The disk has looked for a file, or has put it in its place.
    fn file_done(&mut self, key: &FileKey, id: FileJobId, result: Result<KeptFiles, StoreError>) {
        let Some(wanted) = self.files.wanted.get_mut(key) else { return };
        let (looked, kept) = (wanted.step == Step::Looking(id), wanted.step == Step::Keeping(id));
        if !looked && !kept {
            return;
        }
        let size = wanted.file.size;
        let found = match result {
            Ok(KeptFiles { whole, .. }) => whole.into_iter().next(),
            Err(error) => {
                self.download_failed(key, &Error::Store(error));
                return;
            }
        };
        match found {
            Some(file) if file.bytes == size => {
                self.files.keep(key, size, self.now.wall_ms);
                if looked {
                    self.files.from_disk += 1;
                } else {
                    self.files.from_server += 1;
                }
                self.downloaded(key);
            }
            // Cut off by whatever has cut it off: it is as good as gone.
            Some(_) => {
                self.files.forget(key);
                wanted_waits(&mut self.files, key);
                self.file_job(FileJob::Remove(vec![key.clone()]), JobFor::Nobody);
            }
            None => {
                self.files.forget(key);
                wanted_waits(&mut self.files, key);
            }
        }
    }

    fn downloaded(&mut self, key: &FileKey) {
        let Some(wanted) = self.files.wanted.remove(key) else { return };
        for (_, command) in wanted.askers {
            let reply = Reply::Downloaded { key: key.clone(), size: wanted.file.size };
            self.reply(command, Ok(reply));
        }
    }

    fn download_failed(&mut self, key: &FileKey, error: &Error) {
        self.stop(key);
        let Some(wanted) = self.files.wanted.remove(key) else { return };
        for (id, command) in wanted.askers {
            self.files.held.remove(&id);
            self.reply(command, Err(error.clone()));
        }
    }

    /// Nothing waits out an old failure.
    pub(crate) fn retry_files(&mut self) {
        for wanted in self.files.wanted.values_mut() {
            wanted.not_before = 0;
            wanted.backoff.reset();
        }
    }

    /// What is on its way belongs to a network that is gone.
    pub(crate) fn files_leave_network(&mut self) {
        for key in self.files.in_order() {
            let step = self.files.wanted.get(&key).map(|wanted| &wanted.step);
            if matches!(step, Some(Step::Asking(_) | Step::Fetching(_))) {
                self.stop(&key);
            }
        }
    }

    /// The app is suspended: what is on its way is dropped, and goes on at its waking. Somebody else may
    /// use the folder meanwhile.
    pub(crate) fn files_rest(&mut self) {
        for wanted in self.files.wanted.values_mut() {
            wanted.step = Step::New;
        }
        for job in std::mem::take(&mut self.files.jobs).into_values() {
            if let JobFor::Listing(commands) = job {
                for command in commands {
                    self.reply(command, Err(Error::Suspended));
                }
            }
        }
        self.files.kept = None;
    }

    /// Gets the files that are wanted, as many at a time as may be.
    pub(crate) fn advance_files(&mut self) {
        self.timers.disarm(Timer::Files);
        if self.files.wanted.is_empty() && !self.files.grown {
            return;
        }
        for key in self.files.in_order() {
            self.look_for(&key);
        }
        if !self.online() {
            self.files_leave_network();
        }
        if self.files.kept.is_none() {
            let waits = |wanted: &Wanted| wanted.step == Step::Waiting;
            let needed = self.files.unseen || self.files.wanted.values().any(waits);
            if needed && self.files.job_of_listing().is_none() {
                self.list_files(Vec::new());
            }
            return;
        }
        if self.online() {
            self.fetch_files();
        }
        self.make_room();
    }

    fn look_for(&mut self, key: &FileKey) {
        if self.files.wanted.get(key).is_some_and(|wanted| wanted.step == Step::New) {
            let job = self.file_job(FileJob::Use(key.clone()), JobFor::Wanted(key.clone()));
            if let Some(wanted) = self.files.wanted.get_mut(key) {
                wanted.step = Step::Looking(job);
            }
        }
    }

    /// What is too much goes, what was used last stays longest. What the app holds stays.
    fn make_room(&mut self) {
        if !std::mem::take(&mut self.files.grown) {
            return;
        }
        let going = self.files.too_much(self.config.file_cache_bytes);
        if !going.is_empty() {
            self.file_job(FileJob::Remove(going), JobFor::Nobody);
        }
    }
}

fn wanted_waits(files: &mut Files, key: &FileKey) {
    if let Some(wanted) = files.wanted.get_mut(key) {
        wanted.step = Step::Waiting;
    }
}
