//! The programs under test, built once for each run of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the programs are.
#[derive(Debug)]
pub struct Binaries {
    /// The server.
    pub server: PathBuf,
    /// One client, driven by JSON lines.
    pub agent: PathBuf,
    /// Goes through a recording again.
    pub replay: PathBuf,
}

const OF_PACKAGE: &[&str] =
    &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];

/// The programs, built first if they are out of date: `cargo test -p tidewire-tests` is all that a
/// fresh clone needs.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let folder = profile_folder();
        let release = folder.file_name().is_some_and(|name| name == "release");
        let mut cargo = Command::new(env!("CARGO"));
        // What cargo has set for this package: build scripts look at these variables, and would
        // build their crates anew, here and at the next build from outside.
        for (name, _) in std::env::vars_os() {
            let of_package = |name: &str| OF_PACKAGE.iter().any(|prefix| name.starts_with(prefix));
            if name.to_str().is_some_and(of_package) {
                cargo.env_remove(name);
            }
        }
        let status = cargo
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            // With the features that a build of the whole workspace has: others would build every
            // dependency a second time.
            .args(["build", "--quiet", "--workspace", "--bin", "tidewire-server"])
            .args(["--example", "agent", "--example", "replay", "--target-dir"])
            .arg(folder.parent().expect("a profile's folder is in the target folder"))
            .args(release.then_some("--release"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the programs under test do not build");
        let name = |name: &str| format!("{name}{}", std::env::consts::EXE_SUFFIX);
        Binaries {
            server: folder.join(name("tidewire-server")),
            agent: folder.join("examples").join(name("agent")),
            replay: folder.join("examples").join(name("replay")),
        }
    })
}

/// `target/debug`: a program is in it, a test's program in its folder `deps`.
fn profile_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let folder = own.parent().expect("a program is in a folder");
    let of_test = folder.file_name().is_some_and(|name| name == "deps");
    let profile = if of_test { folder.parent() } else { Some(folder) };
    profile.expect("a test's program is in target/PROFILE/deps").to_owned()
}
