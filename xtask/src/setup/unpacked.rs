//! What cargo keeps of packages that it has built once, under their version alone. The workspace's
//! own are packed again and again under the same one: what was kept would be built in place of what
//! was packed just now.

use std::path::{Path, PathBuf};

/// The target folder of packing, apart from all others.
pub(crate) const TARGET: &str = "target/packaging";

/// Forgets whatever cargo has kept of our own packages.
pub(crate) fn forget() {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    if let Some(home) = home {
        // The registries that `cargo package` makes for a moment have no host in their name.
        for registry in children(&home.join("registry/src"), "-") {
            children(&registry, "tidewire").iter().for_each(|folder| remove(folder));
        }
    }
    let built = crate::workspace::root().join(TARGET).join("debug/.fingerprint");
    children(&built, "tidewire").iter().for_each(|folder| remove(folder));
}

/// What lies in a folder and begins so.
fn children(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect()
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        println!("{} stays: {error}", folder.display());
    }
}
