//! Writes a recording: lines are made on the client's task and written on its store's thread. The
//! client never waits for them: if the disk does not keep up, or is full, the recording ends and the
//! chat goes on.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Config;
use crate::defaults;
use crate::engine::{Effect, Engine, Input, Now};
use crate::error::StoreError;
use crate::store::Lane;
use crate::trace::{Recording, Scribe};

/// One client's recording.
#[derive(Debug)]
pub(crate) struct Recorder {
    scribe: Scribe,
    lane: Lane,
    shared: Arc<Shared>,
    /// Bytes given so far.
    given: u64,
    /// Lines of a resting client: no file is open then. They are written when it wakes.
    held: Option<Vec<u8>>,
    ended: bool,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    queue: Mutex<Queue>,
    /// Locked by nobody but jobs on the lane, which run one after the other.
    file: Mutex<Option<File>>,
}

/// Locked for as long as it takes to append to it, never while anything is written.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Whether a job that writes them has been given to the lane.
    scheduled: bool,
    /// The disk took no more.
    failed: bool,
}

impl Recorder {
    /// Begins a file, in place of one that is there. Waits for the disk, off the caller's thread.
    pub(crate) async fn begin(
        path: &Path,
        recording: Recording,
        lane: Lane,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            queue: Mutex::new(Queue::default()),
            file: Mutex::new(None),
        });
        let (done, opened) = tokio::sync::oneshot::channel();
        let opening = shared.clone();
        lane.run(move || {
            let file = File::create(&opening.path);
            drop(done.send(file.map(|file| *opening.file() = Some(file))));
        });
        let unusable = |reason: String| {
            StoreError::Io(format!("the recording {} can not be written: {reason}", path.display()))
        };
        match opened.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(unusable(error.to_string())),
            Err(_) => return Err(unusable("the store's thread is gone".into())),
        }
        let scribe = Scribe::new(recording, fastrand::u64(..));
        Ok(Self { scribe, lane, shared, given: 0, held: None, ended: false })
    }

    /// The engine is at its beginning.
    pub(crate) fn engine(&mut self, engine: &Engine, config: &Config, seed: u64, now: Now) {
        let line = self.scribe.header(engine, config, seed, now);
        self.give(&line);
    }

    /// The engine is about to be given this.
    pub(crate) fn input(&mut self, now: Now, input: &Input) {
        if !self.ended {
            let line = self.scribe.input(now, input);
            self.give(&line);
        }
    }

    /// The engine wants this.
    pub(crate) fn decision(&mut self, effect: &Effect) {
        if !self.ended {
            let line = self.scribe.decision(effect);
            self.give(&line);
        }
    }

    /// Closes the file, before whatever is given to the store after this.
    pub(crate) fn rest(&mut self) {
        self.held.get_or_insert_default();
        let shared = self.shared.clone();
        self.lane.run(move || {
            shared.write();
            *shared.file() = None;
        });
    }

    /// The client is awake: what was held may be written.
    pub(crate) fn wake(&mut self) {
        if let Some(held) = self.held.take() {
            self.queue(&held);
        }
    }

    /// Nothing is recorded any more; `why` is the last line.
    pub(crate) fn end(&mut self, why: &str) {
        if !std::mem::replace(&mut self.ended, true) {
            let line = self.scribe.end(why);
            self.queue_or_hold(line.as_bytes());
            if why != "closed" {
                let path = self.shared.path.display();
                tracing::warn!(%path, why, "the recording has ended");
            }
        }
    }

    fn give(&mut self, line: &str) {
        self.given += line.len() as u64;
        let waiting = {
            let queue = self.shared.queue();
            if queue.failed {
                drop(queue);
                return self.end("failed");
            }
            queue.bytes.len() + self.held.as_ref().map_or(0, Vec::len)
        };
        if self.given > defaults::RECORDING_BYTES {
            self.end("too_large");
        } else if waiting > 0 && waiting + line.len() > defaults::RECORDING_QUEUE {
            // One line alone may be longer: a large account is loaded in one.
            self.end("too_slow");
        } else {
            self.queue_or_hold(line.as_bytes());
        }
    }

    fn queue_or_hold(&mut self, lines: &[u8]) {
        match &mut self.held {
            Some(held) => held.extend_from_slice(lines),
            None => self.queue(lines),
        }
    }

    fn queue(&self, lines: &[u8]) {
        let mut queue = self.shared.queue();
        queue.bytes.extend_from_slice(lines);
        if !std::mem::replace(&mut queue.scheduled, true) {
            drop(queue);
            let shared = self.shared.clone();
            self.lane.run(move || shared.write());
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what has been queued, whole lines only.
    fn write(&self) {
        let lines = {
            let mut queue = self.queue();
            queue.scheduled = false;
            std::mem::take(&mut queue.bytes)
        };
        if lines.is_empty() {
            return;
        }
        let mut file = self.file();
        if let Err(error) = append(&self.path, &mut file, &lines) {
            tracing::warn!(%error, path = %self.path.display(), "the recording can not be written");
            let mut queue = self.queue();
            queue.failed = true;
            queue.bytes = Vec::new();
            *file = None;
        }
    }
}

/// Appends lines. If that fails, the file ends with a line that says so, if even that is possible.
fn append(path: &Path, file: &mut Option<File>, lines: &[u8]) -> std::io::Result<()> {
    let file = match file {
        Some(file) => file,
        None => file.insert(OpenOptions::new().append(true).open(path)?),
    };
    let whole = file.seek(SeekFrom::End(0))?;
    file.write_all(lines).inspect_err(|_| {
        // What came half goes, which may leave the room for one short line.
        if file.set_len(whole).is_ok() && file.seek(SeekFrom::End(0)).is_ok() {
            let _ = file.write_all(b"{\"end\":\"failed\"}\n");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    async fn recorder(path: &Path) -> Recorder {
        let lane = store::lane().unwrap();
        Recorder::begin(path, Recording::Redacted, lane).await.unwrap()
    }

    /// Waits until everything given so far has been written, or not.
    async fn settled(recorder: &Recorder) {
        let (done, waits) = tokio::sync::oneshot::channel();
        recorder.lane.run(move || {
            let _ = done.send(());
        });
        waits.await.unwrap();
    }

    async fn written(recorder: &Recorder) -> String {
        settled(recorder).await;
        std::fs::read_to_string(&recorder.shared.path).unwrap_or_default()
    }

    fn now() -> Now {
        Now { mono_ms: 1, wall_ms: 2 }
    }

    #[tokio::test]
    async fn a_disk_that_does_not_keep_up_ends_the_recording_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = recorder(&folder.path().join("trace")).await;
        // The thread is held up.
        let (release, held) = std::sync::mpsc::channel::<()>();
        recorder.lane.run(move || {
            let _ = held.recv();
        });
        let line = "x".repeat(defaults::RECORDING_QUEUE / 4);
        for _ in 0..8 {
            recorder.give(&format!("{line}\n"));
        }
        assert!(recorder.ended);
        recorder.input(now(), &Input::Timeout);
        drop(release);
        let text = written(&recorder).await;
        assert!(text.ends_with("x\n{\"end\":\"too_slow\"}\n"));
    }

    #[tokio::test]
    async fn a_recording_ends_at_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = recorder(&folder.path().join("trace")).await;
        recorder.given = defaults::RECORDING_BYTES - 10;
        recorder.give("1234\n");
        recorder.give("56789012\n");
        recorder.give("never\n");
        assert_eq!(written(&recorder).await, "1234\n{\"end\":\"too_large\"}\n");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_ends_it_and_harms_nothing() {
        let mut recorder = recorder(Path::new("/dev/full")).await;
        recorder.input(now(), &Input::Timeout);
        settled(&recorder).await;
        recorder.input(now(), &Input::Timeout);
        assert!(recorder.ended);
    }

    #[tokio::test]
    async fn a_resting_client_has_no_file_open_and_what_was_held_is_written_when_it_wakes() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = recorder(&folder.path().join("trace")).await;
        recorder.give("before\n");
        recorder.rest();
        recorder.give("meanwhile\n");
        assert_eq!(written(&recorder).await, "before\n");
        assert!(recorder.shared.file().is_none());
        recorder.wake();
        recorder.give("after\n");
        assert_eq!(written(&recorder).await, "before\nmeanwhile\nafter\n");
    }

    #[tokio::test]
    async fn a_file_that_can_not_be_made_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere").join("trace");
        let error =
            Recorder::begin(&path, Recording::Redacted, store::lane().unwrap()).await.unwrap_err();
        assert!(matches!(error, StoreError::Io(text) if text.contains("nowhere")));
    }
}
