//! `cargo xtask xcframework`: the library for Apple's platforms as an XCFramework, put into the Swift package
//! here, and a package that is ready to be published. Needs macOS with Xcode, and Rust's targets for Apple.

mod layout;
mod manifest;
mod sha256;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bindings::{self, Language};
use crate::setup::swift::Swift;
use crate::steps::Outcome;
use crate::workspace::{built, cargo, root};

use self::layout::Slice;

/// Where a release is, unless told: `--url` tells another place.
const URL: &str = "https://github.com/tidewire/tidewire/releases/download";

/// The library's file, as it is in a slice.
const LIBRARY: &str = "libtidewire_ffi.a";
/// The module of its header.
const MODULE: &str = "CTidewire";

/// The oldest systems, as `Package.swift` has them: what is written in C is compiled for them too.
const OLDEST: &[(&str, &str)] =
    &[("IPHONEOS_DEPLOYMENT_TARGET", "15.0"), ("MACOSX_DEPLOYMENT_TARGET", "12.0")];

/// The slices, and for which of Rust's targets each is built.
const SLICES: &[(Slice, &[&str])] = &[
    (
        Slice { id: "ios-arm64", platform: "ios", variant: None, architectures: &["arm64"] },
        &["aarch64-apple-ios"],
    ),
    (
        Slice {
            id: "ios-arm64_x86_64-simulator",
            platform: "ios",
            variant: Some("simulator"),
            architectures: &["arm64", "x86_64"],
        },
        &["aarch64-apple-ios-sim", "x86_64-apple-ios"],
    ),
    (
        Slice {
            id: "macos-arm64_x86_64",
            platform: "macos",
            variant: None,
            architectures: &["arm64", "x86_64"],
        },
        &["aarch64-apple-darwin", "x86_64-apple-darwin"],
    ),
];

/// What the command's words ask for: where the release will be.
pub(crate) fn parse(words: &[&str]) -> Result<String, String> {
    match words {
        [] => Ok(format!("{URL}/v{}", env!("CARGO_PKG_VERSION"))),
        ["--url", url] if url.starts_with("https://") => Ok(url.trim_end_matches('/').to_owned()),
        ["--url", url] => Err(format!("`{url}` is no address of a folder: https://…")),
        [other, ..] => Err(format!("`xcframework` takes no `{other}`")),
    }
}

/// Builds and packs.
pub(crate) fn pack(url: &str) -> Result<(), String> {
    let targets: Vec<&str> = SLICES.iter().flat_map(|(_, targets)| *targets).copied().collect();
    tools::look(&targets)?;
    bindings::generate(&[Language::Swift], false)?;
    let mut libraries = Vec::new();
    for (slice, targets) in SLICES {
        libraries.push((*slice, build(*slice, targets)?));
    }
    let folder = built().with_file_name("xcframework");
    let framework = assemble(&libraries, &folder)?;
    let archive = folder.join(format!("{MODULE}.xcframework.zip"));
    // macOS has it: with the folder itself in it, and none of the Finder's files.
    let mut zip = Command::new("ditto");
    zip.args(["-c", "-k", "--norsrc", "--keepParent"]).arg(&framework).arg(&archive);
    tools::run(&mut zip)?;
    let package = release(&folder, &archive, url)?;
    // For whoever uses the package from here, by its path.
    let own = root().join("bindings/swift/lib").join(format!("{MODULE}.xcframework"));
    layout::replace(&framework, &own)?;
    println!("{}\n{}\n{}", own.display(), archive.display(), package.display());
    Ok(())
}

/// Builds one slice: each target by itself, then all in one file.
fn build(slice: Slice, targets: &[&str]) -> Result<PathBuf, String> {
    println!("{}", slice.id);
    let mut parts = Vec::new();
    for target in targets {
        let mut command = cargo(&["build", "--release", "-p", "tidewire-ffi", "--lib"]);
        command.args(["--target", target]).envs(OLDEST.iter().copied());
        tools::run(&mut command)?;
        parts.push(built().with_file_name(target).join("release").join(LIBRARY));
    }
    let to = built().with_file_name("xcframework-libraries").join(slice.id).join(LIBRARY);
    layout::folder_of(&to)?;
    if let [part] = parts.as_slice() {
        layout::copy(part, &to)?;
    } else {
        let mut lipo = tools::xcrun("lipo");
        lipo.arg("-create").args(&parts).arg("-output").arg(&to);
        tools::run(&mut lipo)?;
    }
    // Names of functions for the debugger: what is linked has its own.
    let mut strip = tools::xcrun("strip");
    strip.args(["-S", "-x"]).arg(&to);
    tools::run(&mut strip)?;
    Ok(to)
}

/// Makes the XCFramework of the libraries, in this folder.
fn assemble(libraries: &[(Slice, PathBuf)], folder: &Path) -> Result<PathBuf, String> {
    layout::empty(folder)?;
    let framework = folder.join(format!("{MODULE}.xcframework"));
    let header = root().join("bindings/swift/Sources/CTidewire").join(format!("{MODULE}.h"));
    layout::write(&framework, libraries, &header)?;
    Ok(framework)
}

/// Makes the package that is published: with the sources, and with the address and the checksum of the
/// archive.
fn release(folder: &Path, archive: &Path, url: &str) -> Result<PathBuf, String> {
    let checksum = sha256::of_file(archive).map_err(layout::told(archive))?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let package = folder.join("package");
    let sources = root().join("bindings/swift/Sources");
    for target in ["TidewireFFI", "Tidewire"] {
        layout::copy_tree(&sources.join(target), &package.join("Sources").join(target))?;
    }
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        layout::copy(&root().join(license), &package.join(license))?;
    }
    let manifest = manifest::release(&format!("{url}/{name}"), &checksum);
    let to = package.join("Package.swift");
    fs::write(&to, manifest).map_err(layout::told(&to))?;
    Ok(package)
}

/// The layout, tried with this machine's own library in the place of Apple's.
pub(crate) fn test() -> Outcome {
    match tried() {
        Ok(what) => Outcome::PassedWith(what),
        Err(problem) => Outcome::Failed(problem),
    }
}

fn tried() -> Result<String, String> {
    let name = if cfg!(windows) { "tidewire_ffi.lib" } else { LIBRARY };
    let library = built().join(name);
    if !library.exists() || !root().join("bindings/swift/Sources/TidewireFFI").exists() {
        bindings::generate(&[Language::Swift], false)?;
    }
    let libraries: Vec<(Slice, PathBuf)> =
        SLICES.iter().map(|(slice, _)| (*slice, library.clone())).collect();
    let folder = built().with_file_name("xcframework-host");
    let framework = assemble(&libraries, &folder)?;
    layout::look(&framework)?;
    // In the place of the archive, which macOS makes: what matters here is its checksum.
    let archive = folder.join(format!("{MODULE}.xcframework.zip"));
    layout::copy(&framework.join("Info.plist"), &archive)?;
    let package = release(&folder, &archive, &parse(&[])?)?;
    let Ok(swift) = Swift::set_up() else {
        return Ok("the layout; without Swift its manifest was not read".into());
    };
    if !folder.starts_with(root()) {
        return Ok("the layout; Swift sees nothing outside of the workspace".into());
    }
    read_by_swift(&swift, &framework, &package)
}

/// Whether Swift finds the module in a slice, and can read the manifest of the release.
fn read_by_swift(swift: &Swift, framework: &Path, package: &Path) -> Result<String, String> {
    let from_root = |path: &Path| {
        path.strip_prefix(root())
            .map(|path| path.display().to_string())
            .map_err(|_| format!("{} is outside of the workspace", path.display()))
    };
    let source = package.with_file_name("uses.swift");
    fs::write(&source, format!("import {MODULE}\nlet size = MemoryLayout<RustBuffer>.size\n"))
        .map_err(layout::told(&source))?;
    let headers = framework.join(SLICES[0].0.id).join("Headers").join(MODULE);
    let (source, headers) = (from_root(&source)?, from_root(&headers)?);
    tools::run(&mut swift.compiler(&["-typecheck", &source, "-I", &headers]))?;
    let package = from_root(package)?;
    let output =
        swift.command(&["package", "--package-path", &package, "dump-package"], &[]).output();
    let output = output.map_err(|error| format!("Swift could not be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let checksum =
        sha256::of_file(&root().join(&package).with_file_name(format!("{MODULE}.xcframework.zip")))
            .map_err(|error| error.to_string())?;
    if !output.status.success() || !text.contains(&checksum) {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("the release's Package.swift can not be read: {errors}{text}"));
    }
    Ok("the layout, with this machine's library".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_where_it_is_said_to_be() {
        assert_eq!(parse(&[]), Ok(format!("{URL}/v{}", env!("CARGO_PKG_VERSION"))));
        let own = parse(&["--url", "https://example.com/sdk/"]);
        assert_eq!(own.as_deref(), Ok("https://example.com/sdk"));
        assert!(parse(&["--url", "http://example.com"]).is_err());
        assert!(parse(&["--release"]).is_err());
    }
}
