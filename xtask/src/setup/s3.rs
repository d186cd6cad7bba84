//! VersityGW, a real S3-compatible server for the tests of files: built by Go from its module proxy, once, into the
//! target folder. It takes about 150 s of processor time, and a second where Go has built it before.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{said, version::Version};
use crate::workspace::root;

/// The module, in the version that is tested against.
const MODULE: &str = "github.com/versity/versitygw/cmd/versitygw";
const VERSION: &str = "1.8.0";

/// The oldest Go that fetches by itself the one that a module wants.
const OLDEST: Version = Version(1, 21);

/// Brings the program to where the tests look for it, unless it is there.
pub(crate) fn set_up() -> Result<(), String> {
    let folder = folder();
    let program = folder.join("versitygw");
    if program.exists() {
        return Ok(());
    }
    let go = go()?;
    // Aside first, so that what is there is whole.
    let aside = folder.with_extension("new");
    println!("go install {MODULE}@v{VERSION}");
    let status = Command::new(go)
        .args(["install", &format!("{MODULE}@v{VERSION}")])
        .env("GOBIN", &aside)
        .env("CGO_ENABLED", "0")
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("go install {MODULE}: {status}")),
        Err(error) => return Err(format!("go could not be started: {error}")),
    }
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::rename(aside.join("versitygw"), &program))
        .map_err(|error| format!("{}: {error}", program.display()))
}

/// The same path stands in the tests of the server.
fn folder() -> PathBuf {
    root().join("target/tools").join(format!("versitygw-{VERSION}"))
}

/// A Go that is new enough, wherever its installer puts it.
fn go() -> Result<PathBuf, String> {
    let mut problem = "there is no Go".to_owned();
    for go in ["go", "/usr/local/go/bin/go"] {
        let Some(text) = said(Command::new(go).arg("version")) else { continue };
        match Version::after("go version go", &text) {
            Some(version) if version >= OLDEST => return Ok(Path::new(go).to_owned()),
            Some(version) => problem = format!("Go {version} is installed, not {OLDEST} or newer"),
            None => problem = "the installed Go does not say its version".to_owned(),
        }
    }
    Err(format!("{problem}, which builds VersityGW, the S3 server of the tests: https://go.dev/dl"))
}
