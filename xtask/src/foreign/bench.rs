//! What `cargo xtask bench ffi` measures: programs in other languages, with the library as phones get it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::STAGE;
use super::stage::Stage;
use crate::bindings::{self, Language};
use crate::setup::java;
use crate::setup::swift::Swift;
use crate::workspace::{built, cargo, program, root};

const PROJECT: &str = "bindings/kotlin/pom.xml";
const PACKAGE: &str = "bindings/swift";
const MAIN: &str = "dev.tidewire.bench.FfiBenchKt";

/// Lives of a process: the figures are their medians.
const LIVES: usize = 3;

/// Measures, and gives the program that tells what was found.
pub(crate) fn measure(args: &[&str]) -> Result<Command, String> {
    java::set_up()?;
    let swift = Swift::set_up()?;
    // Built once: where nothing has changed, cargo has it already.
    bindings::generate(&[Language::Kotlin, Language::Swift], true)?;
    let folder = built().with_file_name("bench-ffi");
    std::fs::create_dir_all(&folder).map_err(told(&folder))?;
    let mut measured = String::new();
    let library = stripped(&folder)?;
    let bytes = std::fs::metadata(&library).map_err(told(&library))?.len();
    // Writing into a string cannot fail.
    let _ = writeln!(measured, "library_bytes {bytes}");

    let classes = class_path(&folder)?;
    let in_swift = ["-c", "release", "--package-path", PACKAGE];
    run(swift.command(&["build", "--product", "ffi-bench"], &[]).args(in_swift))?;
    let stage = Stage::start()?;
    for life in 1..=LIVES {
        eprintln!("Kotlin and Swift, {life} of {LIVES}");
        let mut program = Command::new("java");
        program
            .current_dir(root())
            .arg(format!("-Djna.library.path={}", folder.display()))
            .args(["-cp", &classes, MAIN])
            .env(STAGE, &stage.control);
        hear("kotlin", &mut program, &mut measured)?;
        let mut program = swift.command(&["run", "--skip-build"], &[(STAGE, &stage.control)]);
        hear("swift", program.args(in_swift).arg("ffi-bench"), &mut measured)?;
    }
    drop(stage);
    let file = folder.join("measured.txt");
    std::fs::write(&file, measured).map_err(told(&file))?;
    run(&mut cargo(&["build", "--quiet", "--workspace", "--bin", "bench"]))?;
    let mut tell = program("bench");
    tell.arg("ffi").arg("--measured").arg(file).args(args);
    Ok(tell)
}

/// Runs a program, and notes what it has measured.
fn hear(language: &str, program: &mut Command, measured: &mut String) -> Result<(), String> {
    let output = program.stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{language} could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the program in {language} failed: {}", output.status));
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let _ = writeln!(measured, "{language}.{line}");
    }
    Ok(())
}

/// The library without what only debuggers need.
fn stripped(folder: &Path) -> Result<PathBuf, String> {
    let name =
        format!("{}tidewire_ffi{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = folder.join(&name);
    let from = built().with_file_name("release").join(&name);
    std::fs::copy(&from, &library).map_err(told(&from))?;
    let how = if cfg!(target_os = "macos") { "-x" } else { "--strip-unneeded" };
    run(Command::new("strip").arg(how).arg(&library))?;
    Ok(library)
}

/// Compiles what is in Kotlin, and gives where all its classes are.
fn class_path(folder: &Path) -> Result<String, String> {
    let file = folder.join("class-path.txt");
    run(Command::new("mvn")
        .current_dir(root())
        .args(["-q", "-B", "-f", PROJECT, "test-compile"])
        .arg("org.apache.maven.plugins:maven-dependency-plugin:3.9.0:build-classpath")
        .arg(format!("-Dmdep.outputFile={}", file.display())))?;
    let dependencies = std::fs::read_to_string(&file).map_err(told(&file))?;
    let own = ["target/test-classes", "target/classes"]
        .map(|own| root().join("bindings/kotlin").join(own));
    let mut all = own.to_vec();
    all.extend(std::env::split_paths(dependencies.trim()));
    let joined = std::env::join_paths(all).map_err(|error| error.to_string())?;
    joined.into_string().map_err(|path| format!("{} is no text", path.display()))
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{program}` failed: {status}")),
        Err(error) => Err(format!("`{program}` could not be started: {error}")),
    }
}

fn told(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}
