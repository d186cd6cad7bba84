//! The folders and files of an XCFramework.
//!
//! ```text
//! CTidewire.xcframework/Info.plist
//!                       ios-arm64/libtidewire_ffi.a
//!                                 Headers/CTidewire/CTidewire.h, module.modulemap
//!                       …
//! ```
//!
//! Headers and module map stand in a folder of their own: Xcode copies what is in `Headers` into one folder
//! for all packages of an app, where two module maps would be in each other's place.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{LIBRARY, MODULE};

/// A library for one kind of system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) id: &'static str,
    pub(super) platform: &'static str,
    pub(super) variant: Option<&'static str>,
    pub(super) architectures: &'static [&'static str],
}

/// Writes all of it into a folder that is not there yet.
pub(super) fn write(
    framework: &Path,
    libraries: &[(Slice, PathBuf)],
    header: &Path,
) -> Result<(), String> {
    for (slice, library) in libraries {
        let folder = framework.join(slice.id);
        let to = folder.join(LIBRARY);
        folder_of(&to)?;
        // The same file by another name, where that can be: it is large, and nothing changes it.
        if fs::hard_link(library, &to).is_err() {
            copy(library, &to)?;
        }
        let headers = folder.join("Headers").join(MODULE);
        copy(header, &headers.join(format!("{MODULE}.h")))?;
        let map = headers.join("module.modulemap");
        fs::write(&map, module_map()).map_err(told(&map))?;
    }
    let slices: Vec<Slice> = libraries.iter().map(|(slice, _)| *slice).collect();
    let info = framework.join("Info.plist");
    fs::write(&info, info_plist(&slices)).map_err(told(&info))
}

fn module_map() -> String {
    format!("module {MODULE} {{\n    header \"{MODULE}.h\"\n    export *\n}}\n")
}

/// What Xcode reads to find the slice that it needs.
fn info_plist(slices: &[Slice]) -> String {
    let mut libraries = String::new();
    for slice in slices {
        let architectures: String = slice
            .architectures
            .iter()
            .map(|name| format!("\t\t\t\t<string>{name}</string>\n"))
            .collect();
        let variant = slice.variant.map_or_else(String::new, |variant| {
            format!("\t\t\t<key>SupportedPlatformVariant</key>\n\t\t\t<string>{variant}</string>\n")
        });
        let (id, platform) = (slice.id, slice.platform);
        // Writing to a string never fails.
        let _ = write!(
            libraries,
            "\t\t<dict>\n\
             \t\t\t<key>BinaryPath</key>\n\t\t\t<string>{LIBRARY}</string>\n\
             \t\t\t<key>HeadersPath</key>\n\t\t\t<string>Headers</string>\n\
             \t\t\t<key>LibraryIdentifier</key>\n\t\t\t<string>{id}</string>\n\
             \t\t\t<key>LibraryPath</key>\n\t\t\t<string>{LIBRARY}</string>\n\
             \t\t\t<key>SupportedArchitectures</key>\n\t\t\t<array>\n{architectures}\t\t\t</array>\n\
             \t\t\t<key>SupportedPlatform</key>\n\t\t\t<string>{platform}</string>\n\
             {variant}\t\t</dict>\n"
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \t<key>AvailableLibraries</key>\n\t<array>\n{libraries}\t</array>\n\
         \t<key>CFBundlePackageType</key>\n\t<string>XFWK</string>\n\
         \t<key>XCFrameworkFormatVersion</key>\n\t<string>1.0</string>\n\
         </dict>\n</plist>\n"
    )
}

/// Whether everything that its Info.plist names is there, and nothing else.
pub(super) fn look(framework: &Path) -> Result<(), String> {
    let info = framework.join("Info.plist");
    let text = fs::read_to_string(&info).map_err(told(&info))?;
    let mut named = values(&text, "LibraryIdentifier");
    if named.is_empty() {
        return Err(format!("{} names no slice", info.display()));
    }
    for id in &named {
        for path in [
            LIBRARY.to_owned(),
            format!("Headers/{MODULE}/{MODULE}.h"),
            format!("Headers/{MODULE}/module.modulemap"),
        ] {
            let path = framework.join(id).join(path);
            let size = fs::metadata(&path).map_err(told(&path))?.len();
            if size == 0 {
                return Err(format!("{} is empty", path.display()));
            }
        }
    }
    named.push("Info.plist");
    for entry in fs::read_dir(framework).map_err(told(framework))? {
        let name = entry.map_err(told(framework))?.file_name();
        if !named.iter().any(|known| name == *known) {
            return Err(format!("{} is not in Info.plist", name.display()));
        }
    }
    Ok(())
}

/// What stands behind a key, wherever it does.
fn values<'a>(plist: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("<key>{key}</key>");
    let behind = plist.split(&key).skip(1);
    behind
        .filter_map(|rest| Some(rest.split_once("<string>")?.1.split_once("</string>")?.0))
        .collect()
}

/// Makes an empty folder of it.
pub(super) fn empty(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told(folder)(error)),
        _ => {}
    }
    fs::create_dir_all(folder).map_err(told(folder))
}

/// Puts a folder in the place of another.
pub(super) fn replace(from: &Path, to: &Path) -> Result<(), String> {
    empty(to)?;
    copy_tree(from, to)
}

pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(told(to))?;
    for entry in fs::read_dir(from).map_err(told(from))? {
        let entry = entry.map_err(told(from))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy_tree(&from, &to)? } else { copy(&from, &to)? }
    }
    Ok(())
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    folder_of(to)?;
    fs::copy(from, to).map(|_| ()).map_err(told(from))
}

/// Makes the folder of a file.
pub(super) fn folder_of(path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(told(folder))
}

pub(super) fn told(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::super::SLICES;
    use super::*;

    #[test]
    fn what_is_named_is_there_and_what_is_missing_is_found() {
        let folder = std::env::temp_dir().join(format!("xtask-layout-{}", std::process::id()));
        empty(&folder).unwrap();
        let (library, header) = (folder.join("library"), folder.join("header"));
        fs::write(&library, "library").unwrap();
        fs::write(&header, "header").unwrap();
        let libraries: Vec<(Slice, PathBuf)> =
            SLICES.iter().map(|(slice, _)| (*slice, library.clone())).collect();
        let framework = folder.join("A.xcframework");
        write(&framework, &libraries, &header).unwrap();
        look(&framework).unwrap();
        let info = fs::read_to_string(framework.join("Info.plist")).unwrap();
        let ids = ["ios-arm64", "ios-arm64_x86_64-simulator", "macos-arm64_x86_64"];
        assert_eq!(values(&info, "LibraryIdentifier"), ids);
        assert_eq!(values(&info, "SupportedPlatform"), ["ios", "ios", "macos"]);
        assert_eq!(values(&info, "SupportedPlatformVariant"), ["simulator"]);
        assert_eq!(values(&info, "LibraryPath"), [LIBRARY; 3]);

        fs::write(framework.join("more"), "").unwrap();
        assert!(look(&framework).unwrap_err().contains("more is not in"));
        fs::remove_file(framework.join("more")).unwrap();
        fs::remove_file(framework.join("ios-arm64/Headers/CTidewire/module.modulemap")).unwrap();
        assert!(look(&framework).unwrap_err().contains("module.modulemap"));
        fs::remove_dir_all(folder).unwrap();
    }
}
