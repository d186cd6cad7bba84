//! A disk that gets full.

use std::fs::File;
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::run;

/// What takes the room.
const BALLAST: &str = "ballast";

/// A small file system in memory, mounted over a folder until it is dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts it. Only root may.
    pub(crate) fn mount(folder: &Path, mebibytes: u32) -> Result<Self> {
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        run(mount.args(["-t", "tmpfs", "-o", &size, "tidewire-test"]).arg(folder))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut ballast = File::create(self.folder.join(BALLAST))?;
        // Large pieces first, then what is left below one of them.
        for piece in [vec![0; 1 << 20], vec![0; 4096]] {
            loop {
                match ballast.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives it back.
    pub(crate) fn make_room(&self) -> Result<()> {
        std::fs::remove_file(self.folder.join(BALLAST))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what a test has left open there must not keep it.
        if let Err(error) = run(Command::new("umount").arg("-l").arg(&self.folder)) {
            eprintln!("{}: {error}", self.folder.display());
        }
    }
}
