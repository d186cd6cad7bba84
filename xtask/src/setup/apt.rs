//! Packages of Debian and Ubuntu, installed where this runs as root there.

use std::path::Path;
use std::process::Command;

use super::{said, succeeds};

/// Whether packages can be installed here; if not, why.
pub(crate) fn usable() -> Result<(), String> {
    if !Path::new("/etc/debian_version").exists() || !succeeds(Command::new("apt-get").arg("-v")) {
        return Err("this is no Debian or Ubuntu".into());
    }
    if is_root() { Ok(()) } else { Err("only root can install packages".into()) }
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
    said(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0")
}

/// Installs packages; with lists of what there is that may be out of date first, because that is
/// quicker and mostly enough.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    usable()?;
    let install = || {
        let mut command = Command::new("apt-get");
        command.args(["install", "-y", "--no-install-recommends"]).args(packages);
        run(command)
    };
    if install() {
        return Ok(());
    }
    let mut update = Command::new("apt-get");
    update.arg("update");
    // What could not be updated is told by the installation that follows.
    let _ = run(update);
    if install() {
        return Ok(());
    }
    Err(format!("apt-get install {} failed", packages.join(" ")))
}

fn run(mut command: Command) -> bool {
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    println!("apt-get {}", args.join(" "));
    let status = command.env("DEBIAN_FRONTEND", "noninteractive").status();
    status.is_ok_and(|status| status.success())
}

/// The Debian mirror from which this machine installs, if it is one of Debian.
pub(crate) fn debian_mirror() -> Option<String> {
    let targets = said(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    mirror_among(&targets).map(str::to_owned)
}

/// The proxy that apt is told to use, if it is.
pub(crate) fn proxy() -> Option<String> {
    let told = said(Command::new("apt-config").args(["shell", "PROXY", "Acquire::http::Proxy"]))?;
    let (_, value) = told.split_once('=')?;
    let value = value.trim().trim_matches('\'');
    (!value.is_empty()).then(|| value.to_owned())
}

/// The first address, of these on a line each, that is an archive of Debian's packages: those of
/// security updates and of others have other names.
fn mirror_among(addresses: &str) -> Option<&str> {
    let mut addresses = addresses.lines().map(|line| line.trim().trim_end_matches('/'));
    addresses.find(|address| address.starts_with("http") && address.ends_with("/debian"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_one_of_debians_packages() {
        let debian = "https://deb.nodesource.com/node_20.x/\nhttp://deb.debian.org/debian-security/\n\
                      http://mirror.example.org/debian/\nhttp://deb.debian.org/debian/\n";
        assert_eq!(mirror_among(debian), Some("http://mirror.example.org/debian"));
        assert_eq!(mirror_among("http://archive.ubuntu.com/ubuntu/\n"), None);
        assert_eq!(mirror_among(""), None);
    }
}
