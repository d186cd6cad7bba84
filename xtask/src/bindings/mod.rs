//! `cargo xtask bindings`: builds the library and generates what Swift and Kotlin call it by. What
//! comes out is not committed; where it did not change it is not written, so that Maven and SwiftPM
//! have nothing to build anew.

mod names;
mod outputs;
mod reader;
mod target;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::package::lean;
use crate::workspace::{built, cargo, files, program, read, root};

/// What the names of the generated modules are read from, by the generators and by the check of
/// what they did with it.
const CONFIG: &str = "uniffi.toml";

/// The library's crate, as in the names of its files.
const CRATE: &str = "tidewire_ffi";

/// A language with bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Kotlin,
    Swift,
}

impl Language {
    fn name(self) -> &'static str {
        match self {
            Self::Kotlin => "kotlin",
            Self::Swift => "swift",
        }
    }
}

/// What the command's words ask for: which languages, and whether the library is one for phones.
pub(crate) fn parse(words: &[&str]) -> Result<(Vec<Language>, bool), String> {
    let mut languages = Vec::new();
    let mut release = false;
    for word in words {
        match *word {
            "kotlin" => languages.push(Language::Kotlin),
            "swift" => languages.push(Language::Swift),
            "--release" => release = true,
            other => return Err(format!("`bindings` takes no `{other}`")),
        }
    }
    if languages.is_empty() {
        languages = vec![Language::Kotlin, Language::Swift];
    }
    Ok((languages, release))
}

/// Builds and generates.
pub(crate) fn generate(languages: &[Language], release: bool) -> Result<(), String> {
    let library = build(release)?;
    for language in languages {
        let staging = built().with_file_name("bindings").join(language.name());
        let problem = |error: io::Error| format!("bindings of {}: {error}", language.name());
        outputs::empty(&staging).map_err(problem)?;
        match language {
            Language::Kotlin => kotlin(&library, &staging)?,
            Language::Swift => swift(&library, &staging)?,
        }
    }
    Ok(())
}

/// The folder with the library, not stripped: the generators read what it says of itself from its
/// symbols.
fn build(release: bool) -> Result<PathBuf, String> {
    // With the features that the tests' build of the whole workspace has, for which an example
    // stands in: others would build every dependency a second time.
    let mut command = cargo(&["build", "--workspace", "--lib", "--example", "agent"]);
    command.args(["--bin", "bindgen", "--bin", "bindgen-swift"]);
    run(&mut command)?;
    let folder = built();
    if !release {
        return Ok(folder);
    }
    // By itself, so that it has no feature that only others ask for; and linked as for phones.
    let mut command = cargo(&["build", "--release", "-p", "tidewire-ffi", "--lib"]);
    lean::for_host(&mut command);
    run(&mut command)?;
    Ok(folder.with_file_name("release"))
}

fn kotlin(library: &Path, staging: &Path) -> Result<(), String> {
    let shared = library.join(target::shared_library(CRATE, std::env::consts::OS));
    let mut command = program("bindgen");
    command
        .args(["generate", "--language", "kotlin", "--no-format", "--config", CONFIG, "--out-dir"])
        .arg(staging)
        .arg(&shared);
    run(&mut command)?;
    check(Language::Kotlin, staging)?;
    let to = root().join("bindings/kotlin/generated");
    outputs::mirror(staging, &to.join("kotlin")).map_err(told(&to))?;
    let prefix = target::resource_prefix(std::env::consts::OS, std::env::consts::ARCH);
    let prefix = prefix.ok_or("JNA has no name for this system: add it to `resource_prefix`")?;
    let name = shared.file_name().unwrap_or_default();
    let to = to.join("resources").join(prefix).join(name);
    outputs::put(&shared, &to).map_err(told(&to))?;
    Ok(())
}

fn swift(library: &Path, staging: &Path) -> Result<(), String> {
    let name = target::static_library(CRATE, std::env::consts::OS);
    let shared = library.join(target::shared_library(CRATE, std::env::consts::OS));
    let mut command = program("bindgen-swift");
    command.args(["--swift-sources", "--headers", "--config", CONFIG]).arg(&shared).arg(staging);
    run(&mut command)?;
    check(Language::Swift, staging)?;
    let to = root().join("bindings/swift");
    let sources = staging.join("sources");
    let headers = files(staging, "h").map_err(told(staging))?;
    for source in files(staging, "swift").map_err(told(staging))? {
        let name = source.file_name().unwrap_or_default();
        let generated = std::fs::read_to_string(&source).map_err(told(&source))?;
        std::fs::create_dir_all(&sources).map_err(told(&sources))?;
        std::fs::write(sources.join(name), reader::faster(&generated)?).map_err(told(&source))?;
    }
    outputs::mirror(&sources, &to.join("Sources/TidewireFFI")).map_err(told(&to))?;
    for header in headers {
        // The module map beside it is written by hand.
        let to = to.join("Sources/CTidewire").join(header.file_name().unwrap_or_default());
        outputs::put(&header, &to).map_err(told(&to))?;
    }
    let (archive, to_archive) = (library.join(&name), to.join("lib").join(&name));
    if !outputs::same(&archive, &to_archive).map_err(told(&to_archive))? {
        // SwiftPM does not see that a library has changed: what was linked with it has to go, and
        // first, so that an interruption leaves nothing stale.
        outputs::unlink_products(&to.join(".build")).map_err(told(&to))?;
        outputs::put(&archive, &to_archive).map_err(told(&to_archive))?;
    }
    Ok(())
}

/// Whether the names took effect: a key that the generators do not know is ignored without a word.
fn check(language: Language, staging: &Path) -> Result<(), String> {
    let mut generated = Vec::new();
    for extension in ["kt", "swift", "h"] {
        for path in files(staging, extension).map_err(told(staging))? {
            let text = std::fs::read_to_string(&path).map_err(told(&path))?;
            let path = path.strip_prefix(staging).unwrap_or(&path).to_owned();
            generated.push((path, text));
        }
    }
    let config = read(CONFIG).map_err(|error| error.to_string())?;
    let problems = names::problems(&config, CRATE, language.name(), &generated);
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let program = program.to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{program}` failed: {status}")),
        Err(error) => Err(format!("`{program}` could not be started: {error}")),
    }
}

fn told(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_language_both_are_meant() {
        assert_eq!(parse(&[]), Ok((vec![Language::Kotlin, Language::Swift], false)));
        assert_eq!(parse(&["--release", "swift"]), Ok((vec![Language::Swift], true)));
        assert!(parse(&["java"]).is_err());
    }
}
