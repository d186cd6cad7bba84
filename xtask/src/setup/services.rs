//! PostgreSQL, Redis or Valkey, and NGINX, which the server's tests run: from the packages of Debian and Ubuntu.
//! The tests start their own, in temporary folders: what the packages may have started is left alone.

use std::path::Path;
use std::process::Command;

use super::{apt, said};

/// What is wanted, by which programs it is known, and which packages bring it: the first that there is.
const WANTED: &[(&str, &[&str], &[&str])] = &[
    ("PostgreSQL 15 or newer", &["initdb"], &["postgresql"]),
    ("Valkey or Redis", &["valkey-server", "redis-server"], &["valkey-server", "redis-server"]),
    ("NGINX", &["nginx"], &["nginx-light", "nginx"]),
];

/// Brings what is missing.
pub(crate) fn set_up() -> Result<(), String> {
    let mut missing = Vec::new();
    for (name, programs, packages) in WANTED {
        if is_there(programs) {
            continue;
        }
        let how = format!("Debian and Ubuntu: apt-get install {}", packages.join(" or "));
        apt::usable().map_err(|why| format!("{name} is missing, and {why}. {how}"))?;
        let installed = packages.iter().any(|package| apt::install(&[package]).is_ok());
        if !installed || !is_there(programs) {
            missing.push(format!("{name} is missing. {how}"));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}

/// Whether one of the programs is installed, where the tests look for it: in the path, or where Debian puts
/// what only servers need.
fn is_there(programs: &[&str]) -> bool {
    let of_postgres = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = of_postgres.map(|entry| entry.path().join("bin")).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(|path| Path::new(path).into()));
    let in_path = |program: &str| {
        said(Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program])).is_some()
    };
    programs.iter().any(|program| {
        in_path(program) || folders.iter().any(|folder| folder.join(program).is_file())
    })
}
