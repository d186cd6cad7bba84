//! A cluster of PostgreSQL.

use std::io::{BufRead, BufReader, Error, Result, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use crate::authority::Authority;
use crate::process::{LOOK, PATIENCE, Tethered, find, free_port, missing, run, wait_for};
use crate::small_disk::SmallDisk;

/// Who makes the cluster, where this runs as root: PostgreSQL refuses root. Its package brings the user.
const OWNER: &str = "postgres";
/// The superuser of the cluster.
const USER: &str = "tidewire";

/// A cluster of PostgreSQL, without passwords. Ends with its handle.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    /// Settings beside those that every cluster here has, which they replace.
    settings: &'static [&'static str],
    wrapper: Vec<String>,
    bin: PathBuf,
    running: Mutex<Option<Tethered>>,
    // Both are dropped after the process, in this order.
    disk: Option<SmallDisk>,
    folder: tempfile::TempDir,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The cluster of this process: one, as long as somebody has it. None where PostgreSQL is not
    /// installed.
    ///
    /// # Panics
    /// Where it does not start, and where it is missing with `CI=true`.
    pub fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&started);
        Some(started)
    }

    /// A cluster of one's own. None where PostgreSQL is not installed.
    ///
    /// # Panics
    /// As [`Postgres::shared`].
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with settings of one's own, as `fsync=on`: nothing here waits for the disk unless told.
    ///
    /// # Panics
    /// As [`Postgres::shared`].
    pub fn start_with(settings: &'static [&'static str]) -> Option<Self> {
        let (folder, program) = (folder(), installed()?);
        match folder.and_then(|folder| Self::try_start(program, settings, folder, None, None)) {
            Ok(cluster) => Some(cluster),
            Err(error) => panic!("PostgreSQL: {error}"),
        }
    }

    /// A cluster of one's own that speaks TLS, too, by a certificate of this authority. None where PostgreSQL is not
    /// installed.
    ///
    /// # Panics
    /// As [`Postgres::shared`].
    pub fn start_secure(authority: &Authority) -> Option<Self> {
        let (folder, program) = (folder(), installed()?);
        let settings = &["ssl=on", "ssl_cert_file=cert.pem", "ssl_key_file=key.pem"];
        let start = |folder| Self::try_start(program, settings, folder, None, Some(authority));
        match folder.and_then(start) {
            Ok(cluster) => Some(cluster),
            Err(error) => panic!("PostgreSQL: {error}"),
        }
    }

    /// A cluster of one's own on a disk of its own, of so many MiB: 160 hold a cluster and a database. None where
    /// PostgreSQL is not installed, and where this process may not mount one: only root may.
    ///
    /// # Panics
    /// As [`Postgres::shared`].
    pub fn start_on_small_disk(mebibytes: u32) -> Option<Self> {
        let program = installed()?;
        let folder = folder().unwrap_or_else(|error| panic!("a folder: {error}"));
        let disk = match SmallDisk::mount(folder.path(), mebibytes) {
            Ok(disk) => disk,
            Err(error) => {
                eprintln!("not run: nothing may be mounted here: {error}");
                return None;
            }
        };
        // A full disk that cannot take the log of what changes ends the cluster: that is tried with its process.
        let settings = &["max_wal_size=48MB", "min_wal_size=32MB"];
        match Self::try_start(program, settings, folder, Some(disk), None) {
            Ok(cluster) => Some(cluster),
            Err(error) => panic!("PostgreSQL: {error}"),
        }
    }

    /// Takes all the room on its small disk that is not taken: tables do not grow any more. Changes in place go on.
    ///
    /// # Panics
    /// Where it has none of its own, and where that fails.
    pub fn fill_disk(&self) {
        // A segment of its log to write into, which is as long as 16 MiB of changes.
        self.run_sql("postgres", "SELECT pg_switch_wal()");
        self.run_sql("postgres", "CHECKPOINT");
        let Some(disk) = &self.disk else { panic!("it has no disk of its own") };
        disk.fill().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Gives that room back.
    ///
    /// # Panics
    /// As [`Postgres::fill_disk`].
    pub fn make_room(&self) {
        let Some(disk) = &self.disk else { panic!("it has no disk of its own") };
        disk.make_room().unwrap_or_else(|error| panic!("{error}"));
    }

    fn try_start(
        initdb: PathBuf,
        settings: &'static [&'static str],
        folder: tempfile::TempDir,
        disk: Option<SmallDisk>,
        authority: Option<&Authority>,
    ) -> Result<Self> {
        // A link may stand elsewhere than the programs that belong to it.
        let initdb = initdb.canonicalize()?;
        let bin = initdb.parent().map(PathBuf::from).unwrap_or_default();
        let wrapper = give_away(folder.path())?;
        let mut make = Command::new(wrapper.first().map_or("env", String::as_str));
        make.args(wrapper.iter().skip(1)).arg(&initdb).current_dir(folder.path());
        make.args(["-D", "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
        make.args(["--no-sync", "--no-instructions"]);
        run(&mut make)?;
        if let Some(authority) = authority {
            let (certificate, key) = authority.issue(&folder.path().join("data"));
            run(Command::new("chmod").arg("600").arg(&key))?;
            give_away(&certificate)?;
            give_away(&key)?;
        }
        let (port, running) = (free_port()?, Mutex::new(None));
        let cluster = Self { port, settings, wrapper, bin, running, disk, folder };
        cluster.run()?;
        Ok(cluster)
    }

    /// Starts the server process, and waits until it can be spoken to.
    fn run(&self) -> Result<()> {
        let folder = self.folder.path();
        let program = self.bin.join("postgres").display().to_string();
        let port = self.port.to_string();
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            // A test that is over needs nothing of it; stopping it by force is tried with its process.
            "fsync=off",
            "max_connections=300",
            "shared_buffers=64MB",
            "wal_level=replica",
        ];
        let mut command = vec![program, "-D".into(), "data".into(), "-p".into(), port.clone()];
        let settings = settings.iter().chain(self.settings);
        command.extend(settings.flat_map(|setting| ["-c".to_owned(), (*setting).into()]));
        let mut running = Tethered::start(folder, &self.wrapper, &command)?;
        let ready = self.bin.join("pg_isready");
        wait_for(&mut running, folder, || {
            let mut ask = Command::new(&ready);
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            ask.status().is_ok_and(|status| status.success())
        })?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// The same over TLS, in the words of libpq: by the authority in a PEM file, or by those that are well known.
    pub fn secure_url(&self, database: &str, root_file: Option<&Path>) -> String {
        let roots = root_file.map(|file| format!("&sslrootcert={}", file.display()));
        let roots = roots.unwrap_or_default();
        format!("postgres://{USER}@127.0.0.1:{}/{database}?sslmode=verify-full{roots}", self.port)
    }

    /// Makes a database.
    ///
    /// # Panics
    /// Where that fails.
    pub fn create(&self, database: &str) {
        self.create_as(database, &[]);
    }

    /// Makes a database, with what `createdb` is told beside: a template, an encoding.
    ///
    /// # Panics
    /// Where that fails.
    pub fn create_as(&self, database: &str, told: &[&str]) {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut make = self.client("createdb");
            make.args(told).arg(database);
            match run(&mut make) {
                Ok(()) => return,
                // The server notices a moment later that a connection to the template is gone.
                Err(error) if error.to_string().contains("accessed by other users") => {
                    assert!(Instant::now() < until, "{error}");
                    std::thread::sleep(LOOK);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Runs statements in a database.
    ///
    /// # Panics
    /// Where one fails.
    pub fn run_sql(&self, database: &str, sql: &str) {
        let mut psql = self.client("psql");
        psql.args(["-v", "ON_ERROR_STOP=1", "-q", "-d", database, "-c", sql]);
        // Also where a test has made the server read-only.
        psql.env("PGOPTIONS", "-c default_transaction_read_only=off");
        if let Err(error) = run(&mut psql) {
            panic!("{error}");
        }
    }

    /// What a query gives: its only value, or its rows one a line.
    ///
    /// # Panics
    /// Where it fails.
    pub fn ask(&self, database: &str, sql: &str) -> String {
        let mut psql = self.client("psql");
        psql.args(["-v", "ON_ERROR_STOP=1", "-q", "-A", "-t", "-d", database, "-c", sql]);
        let output = psql.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs a statement in a transaction that stays open until what this gives is dropped: a lock that somebody else
    /// stands still at.
    ///
    /// # Panics
    /// Where it fails.
    pub fn hold(&self, database: &str, sql: &str) -> Held {
        let mut psql = self.client("psql");
        psql.args(["-v", "ON_ERROR_STOP=1", "-q", "-d", database]);
        let held = Held::begin(psql.stdin(Stdio::piped()).stdout(Stdio::piped()), sql);
        held.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Writes a backup of a database into a file.
    ///
    /// # Panics
    /// Where that fails.
    pub fn back_up(&self, database: &str, file: &std::path::Path) {
        let mut dump = self.client("pg_dump");
        dump.args(["-Fc", "-d", database, "-f"]).arg(file);
        if let Err(error) = run(&mut dump) {
            panic!("{error}");
        }
    }

    /// Makes a database what it was when it was backed up: whoever is connected to it is cut off.
    ///
    /// # Panics
    /// Where that fails.
    pub fn restore(&self, database: &str, file: &std::path::Path) {
        let mut drop = self.client("dropdb");
        drop.args(["--force", "--if-exists", database]);
        if let Err(error) = run(&mut drop) {
            panic!("{error}");
        }
        self.create(database);
        let mut restore = self.client("pg_restore");
        restore.args(["--exit-on-error", "-d", database]).arg(file);
        if let Err(error) = run(&mut restore) {
            panic!("{error}");
        }
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER]);
        command
    }

    /// Stops the server process: what is on its way is cut off.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(running);
    }

    /// Stops it, and starts it again on the same files and port.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Starts it again on the same files and port, after a stop.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&self) {
        if let Err(error) = self.run() {
            panic!("PostgreSQL: {error}");
        }
    }
}

/// A transaction that is open. Undone when it is dropped.
#[derive(Debug)]
pub struct Held {
    psql: Child,
}

impl Held {
    fn begin(psql: &mut Command, sql: &str) -> Result<Self> {
        let mut psql = psql.spawn()?;
        if let Some(stdin) = &mut psql.stdin {
            writeln!(stdin, "BEGIN; {sql};\n\\echo held")?;
        }
        let mut line = String::new();
        if let Some(stdout) = &mut psql.stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.trim() == "held" { Ok(Self { psql }) } else { Err(Error::other("it failed")) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The end of its input is the end of the session.
        drop(self.psql.stdin.take());
        let _ = self.psql.wait();
    }
}

fn folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("tidewire-postgres-").tempdir()
}

/// What makes a cluster, if it is installed.
fn installed() -> Option<PathBuf> {
    let program = find(&["initdb"]);
    if program.is_none() {
        missing("PostgreSQL");
    }
    program
}

/// Gives a folder, or a file, to whoever may run PostgreSQL, and says how to become him.
fn give_away(folder: &Path) -> Result<Vec<String>> {
    let said = Command::new("id").arg("-u").output()?;
    if String::from_utf8_lossy(&said.stdout).trim() != "0" {
        return Ok(Vec::new());
    }
    run(Command::new("chown").arg(format!("{OWNER}:")).arg(folder))?;
    let words =
        ["setpriv", "--reuid", OWNER, "--regid", OWNER, "--init-groups", "--inh-caps=-all", "--"];
    Ok(words.map(str::to_owned).to_vec())
}
