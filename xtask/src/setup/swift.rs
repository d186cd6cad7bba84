//! Swift: the one that is installed, or one in a Debian root of its own. Debian 12 has none, Debian
//! 13 has 6.0, and packages of one release are not for another: so it gets a folder with a whole
//! small Debian 13 in it, in which its commands are run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::version::Version;
use super::{apt, said, succeeds};
use crate::workspace::{built, root};

/// The oldest Swift that builds the package.
const OLDEST: Version = Version(6, 0);

/// The release in the root, and what is installed there.
const RELEASE: &str = "trixie";
const PACKAGES: &str = "swiftlang g++ libsqlite3-dev";

/// Where releases of Debian are, unless the machine has a mirror of its own.
const ARCHIVE: &str = "http://deb.debian.org/debian";

/// A Swift that can be used.
#[derive(Debug)]
pub(crate) enum Swift {
    Installed,
    /// In the Debian root in this folder.
    InRoot(PathBuf),
}

impl Swift {
    /// One that is new enough; the root is made if that is needed and can be.
    pub(crate) fn set_up() -> Result<Self, String> {
        let problem = match said(Command::new("swift").arg("--version")) {
            None => "there is no Swift".to_owned(),
            Some(text) => match Version::after("Swift version ", &text) {
                Some(version) if version >= OLDEST => return Ok(Self::Installed),
                Some(version) => format!("Swift {version} is installed, not {OLDEST} or newer"),
                None => "the installed Swift does not say its version".to_owned(),
            },
        };
        match usable_root() {
            Ok(root) => Ok(Self::InRoot(root)),
            Err(why) => {
                Err(format!("{problem}, and {why}. https://www.swift.org/install has Swift"))
            }
        }
    }

    /// A command of Swift with the workspace's folder as the working folder, and nothing of this
    /// environment but `envs` if it runs in the root.
    pub(crate) fn command(&self, args: &[&str], envs: &[(&str, &str)]) -> Command {
        self.program("swift", args, envs)
    }

    /// The same of the compiler alone.
    pub(crate) fn compiler(&self, args: &[&str]) -> Command {
        self.program("swiftc", args, &[])
    }

    fn program(&self, name: &str, args: &[&str], envs: &[(&str, &str)]) -> Command {
        match self {
            Self::Installed => {
                let mut command = Command::new(name);
                command.current_dir(root()).args(args).envs(envs.iter().copied());
                command
            }
            Self::InRoot(folder) => in_root(folder, name, args, envs),
        }
    }
}

/// Runs in mounts of its own, so that none is left when the command has ended, however it ended.
/// `swift` finds its libraries through `/proc/self`. The network is the machine's. The folder for
/// temporary files is the project's own: SwiftPM keeps its locks there, by a path that is the same
/// for every project here.
const ENTER: &str = r#"
root=$1 project=$2 temporary=$3; shift 3
mkdir -p "$root/src" "$temporary"
mount --bind "$project" "$root/src"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$temporary" "$root/tmp"
exec chroot "$root" /usr/bin/env -i -C /src HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
"#;

fn in_root(folder: &Path, program: &str, args: &[&str], envs: &[(&str, &str)]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", ENTER, "swift"]).arg(folder).arg(root());
    command.arg(built().with_file_name("swift-tmp"));
    command.args(envs.iter().map(|(name, value)| format!("{name}={value}")));
    command.arg(program).args(args);
    command
}

/// The root's folder, made first if it is not there.
fn usable_root() -> Result<PathBuf, String> {
    if !cfg!(target_os = "linux") {
        return Err("a root for it can be made on Linux only".into());
    }
    if !apt::is_root() {
        return Err("only root can make a Debian root for it".into());
    }
    if !succeeds(Command::new("unshare").args(["--mount", "true"])) {
        return Err("no root for it can be entered here (`unshare --mount` is refused)".into());
    }
    let home = cache().ok_or("there is no folder for it: set HOME or XDG_CACHE_HOME")?;
    let folder = home.join("swift-root");
    std::fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    // Held by whoever makes a root: two at once would make it twice, in each other's way.
    let path = home.join("swift-root.lock");
    let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
    let lock = lock.map_err(|error| format!("{}: {error}", path.display()))?;
    // It gets its name when it is whole.
    if !folder.exists() {
        make(&folder, lock)?;
    }
    Ok(folder)
}

/// Where what can be made again is kept.
fn cache() -> Option<PathBuf> {
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")))?;
    cache.is_absolute().then(|| cache.join("tidewire"))
}

/// In mounts of its own as well: `debootstrap` mounts things in the root, and what was interrupted
/// must be fit to be removed. A proxy in the environment holds for all of it.
const MAKE: &str = r#"
root=$1 release=$2 archive=$3 proxy=$4 packages=$5
rm -rf --one-file-system "$root.new"
mkdir -p "$root.new"
if [ -n "$proxy" ]; then export http_proxy="$proxy"; fi
debootstrap --variant=minbase --include=ca-certificates "$release" "$root.new" "$archive"
if [ -n "$proxy" ]; then
    echo "Acquire::http::Proxy \"$proxy\";" > "$root.new/etc/apt/apt.conf.d/90proxy"
fi
mountpoint -q "$root.new/proc" || mount -t proc proc "$root.new/proc" || mount --rbind /proc "$root.new/proc"
chroot "$root.new" apt-get update
chroot "$root.new" apt-get install -y --no-install-recommends $packages
chroot "$root.new" apt-get clean
chroot "$root.new" swift --version
mv -T "$root.new" "$root"
"#;

fn make(folder: &Path, lock: File) -> Result<(), String> {
    if !succeeds(Command::new("debootstrap").arg("--version")) {
        // The second one has the keys that Debian's releases are signed with.
        apt::install(&["debootstrap", "debian-archive-keyring"])?;
    }
    let archive = apt::debian_mirror().unwrap_or_else(|| ARCHIVE.into());
    let proxy = apt::proxy().unwrap_or_default();
    println!(
        "making a Debian root with Swift in {}: this takes some minutes and 2.7 GB, once",
        folder.display()
    );
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-euc", MAKE, "debootstrap"])
        .arg(folder)
        .args([RELEASE, &archive, &proxy, PACKAGES])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        // It inherits the lock and keeps it as long as it runs, also if this process is killed.
        .stdin(Stdio::from(lock))
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the Debian root for it could not be made ({status})")),
        Err(error) => Err(format!("`unshare` could not be started: {error}")),
    }
}
