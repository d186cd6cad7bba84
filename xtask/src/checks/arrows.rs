//! The arrows between the parts, read from the manifests and the sources: who may know whom, and
//! that what is called pure has no I/O, clock or randomness of its own.

use std::io;
use std::path::Path;

use crate::steps::Outcome;
use crate::workspace::{read, rust_files};

/// Which crates of the workspace each folder's crate may depend on, in tests too.
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("sdk-core", &["tidewire-protocol"]),
    // The services are for its tests.
    ("server", &["tidewire-protocol", "tidewire-services"]),
    ("services", &[]),
    ("bindings", &["tidewire"]),
    ("bindings/bindgen", &[]),
    ("xtask", &[]),
];

/// Sources that do no I/O and take time and randomness as arguments.
const PURE: &[&str] = &["protocol/src", "sdk-core/src/engine"];

/// What pure sources never name. Looked for in the text without white space and comments.
const IMPURE: &[&str] = &[
    "tokio",
    "rusqlite",
    "reqwest",
    "rustls",
    "tungstenite",
    "Instant",
    "SystemTime",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    // Groups would hide the above.
    "std::{",
    "getrandom",
    "fastrand::u",
    "fastrand::i",
    "fastrand::f",
    "fastrand::bool",
    "fastrand::shuffle",
    "Rng::new()",
    "now_v4()",
    "now_v7()",
    "new_v4()",
    "thread::sleep",
];

/// What stands above the engine and is not to be known by it.
const ABOVE_ENGINE: &[&str] = &[
    "crate::builder",
    "crate::client",
    "crate::driver",
    "crate::room",
    "crate::store",
    "crate::timeline",
    "crate::token",
    "crate::trace",
];

/// The check as a step.
pub(crate) fn check() -> Outcome {
    match breaches() {
        Ok(breaches) if breaches.is_empty() => Outcome::Passed,
        Ok(breaches) => Outcome::Failed(breaches.join("\n")),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn breaches() -> io::Result<Vec<String>> {
    let mut breaches = Vec::new();
    for (folder, allowed) in ARROWS {
        let manifest = read(Path::new(folder).join("Cargo.toml"))?;
        for name in dependencies(&manifest) {
            if name.starts_with("tidewire") && !allowed.contains(&name.as_str()) {
                breaches.push(format!("{folder}/Cargo.toml: must not depend on {name}"));
            }
        }
    }
    for folder in PURE {
        for path in rust_files(folder)? {
            if is_test(&path) {
                continue;
            }
            let source = read(&path)?;
            let above = if folder.ends_with("engine") { ABOVE_ENGINE } else { &[] };
            for word in named(&source, IMPURE).chain(named(&source, above)) {
                breaches.push(format!("{}: names `{word}`", path.display()));
            }
        }
    }
    Ok(breaches)
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| {
        let part = Path::new(part.as_os_str());
        part.file_stem().is_some_and(|stem| stem == "tests")
    })
}

/// The names of all dependencies of a manifest: of every kind, for every target, under whatever
/// name they are used.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header.ends_with("dependencies");
            if let Some((_, name)) = header.split_once("dependencies.") {
                names.push(name.trim_matches(['"', '\'']).to_owned());
                inside = false;
            }
        } else if inside && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or("");
            if !name.is_empty() {
                names.push(name.to_owned());
            }
        }
        if let Some((_, rest)) = line.split_once("package = \"")
            && let Some((name, _)) = rest.split_once('"')
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// Which of the words the source names, outside of comments and tests.
fn named<'a>(source: &str, words: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let code: String = source
        .lines()
        .take_while(|line| line.trim() != "mod tests {")
        .map(|line| line.split("//").next().unwrap_or(""))
        .flat_map(str::chars)
        .filter(|character| !character.is_whitespace())
        .collect();
    words.iter().copied().filter(move |word| code.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrows_hold() {
        assert_eq!(breaches().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_dependency_is_seen_however_it_is_written() {
        let manifest = "
            [package]
            name = \"tidewire-protocol\"
            [dependencies]
            serde.workspace = true
            other = { package = \"tidewire-server\", path = \"../server\" }
            [dev-dependencies]
            # tidewire-bench = \"1\"
            tidewire = { path = \"../sdk-core\" }
            [target.'cfg(unix)'.dependencies]
            libc = \"0.2\"
            [build-dependencies.tidewire-tests]
            path = \"../tests\"
        ";
        let names = dependencies(manifest);
        for name in ["serde", "tidewire-server", "tidewire", "libc", "tidewire-tests"] {
            assert!(names.iter().any(|other| other == name), "{name} in {names:?}");
        }
        for name in ["tidewire-protocol", "tidewire-bench", "path"] {
            assert!(!names.iter().any(|other| other == name), "{name} in {names:?}");
        }
    }

    #[test]
    fn a_clock_in_pure_code_is_seen_and_one_in_a_comment_or_a_test_is_not() {
        let seen = |source| named(source, IMPURE).collect::<Vec<_>>();
        assert_eq!(seen("use std::time::Instant;"), ["Instant"]);
        assert_eq!(seen("use std::\n    thread;"), ["std::thread"]);
        assert_eq!(seen("let n = fastrand::u64(..);"), ["fastrand::u"]);
        assert_eq!(seen("fn f(rng: &mut fastrand::Rng, wait: std::time::Duration) {}"), [""; 0]);
        assert_eq!(seen("/// Like tokio's `Instant`.\nfn f() {} // std::fs"), [""; 0]);
        assert_eq!(seen("#[cfg(test)]\nmod tests {\n    use std::time::Instant;\n}"), [""; 0]);
    }
}
