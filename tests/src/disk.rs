//! Disks that are full or read-only, without harm to the machine's own: a small file system in
//! memory that only one process sees, and that ends with it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A way to start a program with a file system of its own over one folder.
#[derive(Debug, Clone)]
pub struct Disk {
    unshare: Vec<String>,
    folder: PathBuf,
}

impl Disk {
    /// A disk over `folder`, if this machine lets a test make one (Linux, as root or with user
    /// namespaces).
    ///
    /// # Panics
    /// Where it does not and `CI` is set: there, nothing is skipped.
    pub fn over(folder: &Path) -> Option<Self> {
        let ways: [&[&str]; 2] =
            [&["unshare", "--mount"], &["unshare", "--user", "--map-root-user", "--mount"]];
        let works = |way: &&[&str]| {
            let probe = format!("mount -t tmpfs none '{}'", folder.display());
            let status = Command::new(way[0]).args(&way[1..]).args(["sh", "-c", &probe]).output();
            status.is_ok_and(|output| output.status.success())
        };
        let Some(way) = ways.iter().copied().find(works) else {
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
            assert!(!ci, "no file system can be made here, and nothing may be skipped");
            eprintln!("SKIPPED: no file system can be made here (`unshare --mount` is refused)");
            return None;
        };
        Some(Self {
            unshare: way.iter().map(|&word| word.to_owned()).collect(),
            folder: folder.to_owned(),
        })
    }

    /// What starts a program that sees `options` (as for `mount -o`) over the folder.
    pub fn wrapper(&self, options: &str) -> Vec<String> {
        let script = format!(
            "mount -t tmpfs -o {options} none '{}' && exec \"$0\" \"$@\"",
            self.folder.display()
        );
        let mut wrapper = self.unshare.clone();
        wrapper.extend(["sh".to_owned(), "-c".to_owned(), script]);
        wrapper
    }

    /// The folder as the process sees it.
    pub fn seen_by(&self, pid: u32) -> PathBuf {
        let inside = self.folder.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(pid.to_string()).join("root").join(inside)
    }

    /// Takes all the space that is left on the process's disk, and says where it is.
    ///
    /// # Panics
    /// If there is an end to it.
    pub fn fill(&self, pid: u32) -> PathBuf {
        use std::io::Write;
        let path = self.seen_by(pid).join("ballast");
        let mut file = std::fs::File::create(&path).expect("a file on the small disk");
        for piece in [64 * 1024, 4 * 1024, 1] {
            let piece = vec![7; piece];
            let mut written = 0;
            while let Ok(count) = file.write(&piece) {
                written += count;
                assert!(written < 1 << 30, "the small disk has no end");
            }
        }
        path
    }
}
