//! Where the workspace is, and how its files and cargo are reached.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // This package's manifest is one folder down.
    here.parent().unwrap_or(here)
}

/// A file of the workspace, as text.
pub(crate) fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(root().join(path))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// All files with this extension below a folder of the workspace, by path from its root, sorted.
pub(crate) fn files(folder: impl AsRef<Path>, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.as_ref().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|other| other == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// All Rust files below a folder of the workspace.
pub(crate) fn rust_files(folder: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    files(folder, "rs")
}

/// The folder in which cargo puts what it builds in the dev profile: this program is in it.
pub(crate) fn built() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new("")).to_owned()
}

/// A program of this workspace that was built, to be run in the workspace's folder.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(built().join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
    command.current_dir(root());
    cleaned(command)
}

/// The cargo that runs this, in the workspace's folder.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(args);
    cleaned(command)
}

/// Without what cargo has set for this package: build scripts look at these variables, and would
/// build their crates anew at every change.
fn cleaned(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_this_package) {
            command.env_remove(name);
        }
    }
    command
}

fn is_of_this_package(name: &str) -> bool {
    const PREFIXES: [&str; 5] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_this_package_are_not_passed_on_and_others_are() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
            assert!(is_of_this_package(name), "{name}");
        }
        for name in ["CARGO", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "PATH"] {
            assert!(!is_of_this_package(name), "{name}");
        }
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(read("Cargo.toml").unwrap().contains("[workspace]"));
        let here = rust_files("xtask/src").unwrap();
        assert!(here.contains(&PathBuf::from("xtask/src/workspace.rs")));
    }
}
