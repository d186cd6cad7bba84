//! A file that is renamed when it is full.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::LogFile;
use crate::error::TidewireError;

/// A day of a busy client on `Info` are some 100 KB.
const MAX_BYTES: u64 = 1_000_000;
/// Smaller ones would be renamed at every other batch.
const LEAST_BYTES: u64 = 10_000;
const KEEP: u32 = 3;
const MOST_KEPT: u32 = 100;

/// The file, and those that were full before it.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    /// None while it can not be opened.
    file: Option<(File, u64)>,
    /// Lines that could not be written.
    lost: u64,
}

impl Rotating {
    pub(super) fn open(settings: LogFile) -> Result<Self, TidewireError> {
        let max_bytes = settings.max_bytes.unwrap_or(MAX_BYTES);
        if max_bytes < LEAST_BYTES {
            return Err(invalid("max_bytes", "at least 10,000"));
        }
        let keep = settings.keep.unwrap_or(KEEP);
        if keep > MOST_KEPT {
            return Err(invalid("keep", "0 to 100"));
        }
        let path = PathBuf::from(settings.path);
        let file = append(&path).map_err(|error| TidewireError::FolderUnusable {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(Self { path, max_bytes, keep, file: Some(file), lost: 0 })
    }

    /// Writes a line. One that can not be written is counted, and told with the next that can.
    pub(super) fn write(&mut self, line: &str) {
        let written = if self.lost > 0 {
            let told = format!("({} lines could not be written)\n{line}", self.lost);
            self.try_write(&told)
        } else {
            self.try_write(line)
        };
        match written {
            Ok(()) => self.lost = 0,
            Err(_) => {
                self.lost += 1;
                // Whatever is wrong with the open one may not be with another.
                self.file = None;
            }
        }
    }

    fn try_write(&mut self, text: &str) -> io::Result<()> {
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if self.file.as_ref().is_some_and(|(_, size)| *size > 0 && size + bytes > self.max_bytes) {
            self.file = None;
            self.rename()?;
        }
        let (file, size) = match &mut self.file {
            Some(open) => open,
            none => none.insert(append(&self.path)?),
        };
        // At once, so that nothing is lost with the process; the system collects it for the disk.
        file.write_all(text.as_bytes())?;
        *size += bytes;
        Ok(())
    }

    /// Makes room for a new one.
    fn rename(&self) -> io::Result<()> {
        if self.keep == 0 {
            return std::fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

fn append(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn invalid(setting: &str, bounds: &str) -> TidewireError {
    TidewireError::InvalidSetting { setting: setting.into(), bounds: bounds.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::LogLevel;

    fn settings(folder: &Path, keep: u32) -> LogFile {
        LogFile {
            path: folder.join("log").display().to_string(),
            level: LogLevel::Info,
            max_bytes: Some(LEAST_BYTES),
            keep: Some(keep),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Rotating::open(settings(folder.path(), 2)).unwrap();
        let line = |number: u32| format!("{number}{}\n", "x".repeat(5_999));
        for number in 1..=5 {
            log.write(&line(number));
        }
        assert_eq!(names(folder.path()), ["log", "log.1", "log.2"]);
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!([read("log"), read("log.1"), read("log.2")], [line(5), line(4), line(3)]);
        // The next process goes on behind.
        drop(log);
        let mut log = Rotating::open(settings(folder.path(), 0)).unwrap();
        log.write("short\n");
        assert_eq!(read("log"), line(5) + "short\n");
        log.write(&line(6));
        assert_eq!(read("log"), line(6));
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("deep");
        std::fs::create_dir(&deep).unwrap();
        let mut log = Rotating::open(settings(&deep, 2)).unwrap();
        log.write(&"x".repeat(9_999));
        // So that the next one can be opened no more.
        std::fs::remove_dir_all(&deep).unwrap();
        log.write("lost\n");
        log.write("lost too\n");
        std::fs::create_dir(&deep).unwrap();
        log.write("there\n");
        let written = std::fs::read_to_string(deep.join("log")).unwrap();
        assert_eq!(written, "(2 lines could not be written)\nthere\n");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let small = LogFile { max_bytes: Some(1), ..settings(folder.path(), 1) };
        assert!(matches!(Rotating::open(small), Err(TidewireError::InvalidSetting { .. })));
        let many = settings(folder.path(), 101);
        assert!(matches!(Rotating::open(many), Err(TidewireError::InvalidSetting { .. })));
        let nowhere = settings(&folder.path().join("nowhere"), 1);
        assert!(matches!(Rotating::open(nowhere), Err(TidewireError::FolderUnusable { .. })));
    }
}
