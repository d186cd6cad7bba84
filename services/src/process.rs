//! Programs that run beside a test and end with it.

use std::io::{Error, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a service may take to start or to stop before the test is lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether it has.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// The end of the pipe is the end of the program: the shell waits for it, and then asks the program to
/// stop. So nothing is left of a test that was killed.
const TETHER: &str =
    r#""$@" & pid=$!; echo "$pid" > pid; cat > /dev/null; kill -INT "$pid"; wait "$pid""#;

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Tethered {
    shell: Child,
    pipe: Option<ChildStdin>,
    folder: PathBuf,
}

impl Tethered {
    /// Runs a program in a folder, which gets its output and its process id.
    pub(crate) fn start(folder: &Path, wrapper: &[String], command: &[String]) -> Result<Self> {
        let mut words = wrapper.iter().map(String::as_str).chain(["sh", "-c", TETHER, "tether"]);
        let program = words.next().unwrap_or("sh");
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"))?;
        let mut shell = Command::new(program)
            .args(words)
            .args(command)
            .current_dir(folder)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe, folder: folder.to_owned() })
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.shell.try_wait(), Ok(None))
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.pipe = None;
        let until = Instant::now() + PATIENCE;
        while self.runs() {
            if Instant::now() > until {
                self.signal("KILL");
                let _ = self.shell.kill();
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Sends a signal to the program itself.
    pub(crate) fn signal(&self, name: &str) {
        if let Ok(pid) = std::fs::read_to_string(self.folder.join("pid")) {
            let _ = Command::new("kill").args([&format!("-{name}"), pid.trim()]).status();
        }
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until `is_ready`, as long as the program runs.
pub(crate) fn wait_for(
    process: &mut Tethered,
    folder: &Path,
    mut is_ready: impl FnMut() -> bool,
) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !is_ready() {
        if !process.runs() || Instant::now() > until {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(Error::other(format!("it does not start:\n{log}")));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The first of these programs that is installed, in the path or where Debian puts what only servers
/// need.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    // The newest PostgreSQL first, whose programs stand together.
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .collect();
    versions.sort();
    let mut folders: Vec<PathBuf> = versions.into_iter().rev().map(|(_, bin)| bin).collect();
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// Says that a service is missing: a panic where nothing may be skipped.
///
/// # Panics
/// With `CI=true`.
pub(crate) fn missing(what: &str) {
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    assert!(!ci, "{what} is missing, and nothing may be skipped");
    eprintln!("SKIPPED: {what} is missing: `cargo xtask test server` installs it");
}

/// Runs a program to its end, which must be a good one.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::other(format!("{command:?}: {}\n{text}", output.status)))
}
