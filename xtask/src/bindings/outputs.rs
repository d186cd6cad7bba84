//! Files that are written only where they change.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Makes an empty folder of it.
pub(crate) fn empty(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(folder)
}

/// Makes `to` hold what `from` holds and nothing else.
pub(crate) fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    let wanted = names(from)?;
    for name in names(to)? {
        let path = to.join(&name);
        if !wanted.contains(&name) || path.is_dir() != from.join(&name).is_dir() {
            if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
    }
    for name in wanted {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() { mirror(&from, &to)? } else { put(&from, &to)? }
    }
    Ok(())
}

fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into())).collect()
}

/// Copies a file if the other one is not the same.
pub(crate) fn put(from: &Path, to: &Path) -> io::Result<()> {
    if same(from, to)? {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A file that is in use, or half of one, never has the name.
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    std::fs::copy(from, &part)?;
    std::fs::rename(&part, to)
}

/// Whether both are there with the same bytes.
pub(crate) fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let one = File::open(one)?;
    let other = match File::open(other) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    let (mut piece, mut others) = ([0; 8192], [0; 8192]);
    loop {
        let read = one.read(&mut piece)?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut others[..read])?;
        if piece[..read] != others[..read] {
            return Ok(false);
        }
    }
}

/// What SwiftPM links besides the test program.
const PROGRAM: &str = "endurance";

/// Removes what SwiftPM has linked: `.build/TRIPLE/PROFILE/*.xctest`, and the program beside it.
pub(crate) fn unlink_products(build: &Path) -> io::Result<()> {
    if !build.exists() {
        return Ok(());
    }
    for triple in names(build)? {
        for profile in ["debug", "release"] {
            let folder = build.join(&triple).join(profile);
            if !folder.is_dir() {
                continue;
            }
            for name in names(&folder)? {
                let is_bundle = name.extension().is_some_and(|extension| extension == "xctest");
                if is_bundle || name == Path::new(PROGRAM) {
                    let path = folder.join(name);
                    // A bundle on macOS.
                    if path.is_dir() {
                        std::fs::remove_dir_all(path)?;
                    } else {
                        std::fs::remove_file(path)?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_change_is_not_written_and_what_is_gone_is_removed() {
        let folder = std::env::temp_dir().join(format!("xtask-outputs-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        empty(&from.join("dev")).unwrap();
        empty(&to.join("old")).unwrap();
        std::fs::write(from.join("dev/a.kt"), "a").unwrap();
        std::fs::write(from.join("b.kt"), "b").unwrap();
        std::fs::write(to.join("old/c.kt"), "c").unwrap();
        mirror(&from, &to).unwrap();
        assert!(!to.join("old").exists());
        let written = |name| std::fs::metadata(to.join(name)).unwrap().modified().unwrap();
        let before = (written("dev/a.kt"), written("b.kt"));
        std::fs::write(from.join("b.kt"), "B").unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(written("dev/a.kt"), before.0);
        assert_eq!(std::fs::read_to_string(to.join("b.kt")).unwrap(), "B");
        assert!(same(&from.join("b.kt"), &to.join("b.kt")).unwrap());
        assert!(!same(&from.join("b.kt"), &to.join("dev/a.kt")).unwrap());
        assert!(!same(&from.join("b.kt"), &to.join("c.kt")).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
