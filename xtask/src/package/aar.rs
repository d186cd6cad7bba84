//! `cargo xtask aar`: the package for Android, in the layout of a Maven repository: the AAR, its sources, its
//! POM. Needs the NDK, Rust's targets for Android, and what the Kotlin suite needs; Gradle and Google's plugin
//! are not needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::elf;
use super::ndk::{ABIS, Abi, MIN_SDK, Ndk, PAGE, missing_targets};
use crate::bindings::{self, Language};
use crate::setup::java;
use crate::steps::Outcome;
use crate::workspace::{built, cargo, read, root};

/// By what apps name it.
const GROUP: &str = "dev.tidewire";
const ARTIFACT: &str = "tidewire-android";
/// The package of its manifest, and so of its resources, of which it has none.
const NAMESPACE: &str = "dev.tidewire.android";
/// What its library is called.
const LIBRARY: &str = "libtidewire_ffi.so";

/// The project in Kotlin whose classes it has, and where they are.
const PROJECT: &str = "bindings/kotlin/modules.xml";
const CLASSES: &[&str] =
    &["bindings/kotlin/target/classes", "bindings/kotlin/android/target/classes"];
const SOURCES: &[&str] = &[
    "bindings/kotlin/src/main/kotlin",
    "bindings/kotlin/android/src/main/kotlin",
    "bindings/kotlin/generated/kotlin",
];
const MANIFEST: &str = "bindings/kotlin/android/src/main/AndroidManifest.xml";
const RULES: &str = "bindings/kotlin/android/consumer-rules.pro";
const POM: &str = "bindings/kotlin/pom.xml";

/// The time of every file in what is packed: the same content is the same package. None earlier can be told.
const TIME: &str = "--date=1980-01-01T00:00:02Z";

/// A library, and the folder for it.
type Jni<'a> = (&'a str, PathBuf);

/// Builds and packs for all processors.
pub(crate) fn pack() -> Result<(), String> {
    let ndk = Ndk::find(|name| std::env::var_os(name).map(PathBuf::from))?;
    targets()?;
    java::set_up()?;
    bindings::generate(&[Language::Kotlin], false)?;
    compile()?;
    let staging = built().with_file_name("aar-libraries");
    let mut libraries: Vec<Jni<'_>> = Vec::new();
    for abi in ABIS {
        let library = build(&ndk, *abi, &staging)?;
        check(&library, abi.name, abi.machine, PAGE)?;
        libraries.push((abi.name, library));
    }
    let to = built().with_file_name("aar");
    let folder = assemble(&libraries, &to)?;
    look(&folder, &libraries)?;
    println!("{}", folder.display());
    Ok(())
}

/// The layout, tried with this machine's own library in the place of Android's.
pub(crate) fn test() -> Outcome {
    let tried = || -> Result<String, String> {
        let library = built().join(LIBRARY);
        if !library.exists() {
            return Err("this needs a library that was built on Linux".into());
        }
        let libraries: Vec<Jni<'_>> = ABIS.iter().map(|abi| (abi.name, library.clone())).collect();
        let folder = assemble(&libraries, &built().with_file_name("aar-host"))?;
        look(&folder, &libraries)?;
        // Whatever processor this machine has, it is not all three of them.
        let wrong = ABIS.iter().filter(|abi| check(&library, abi.name, abi.machine, 1).is_err());
        if wrong.count() + 1 < ABIS.len() {
            return Err("a library for another processor was taken for a good one".into());
        }
        Ok(format!("{}", folder.strip_prefix(root()).unwrap_or(&folder).display()))
    };
    match tried() {
        Ok(folder) => Outcome::PassedWith(folder),
        Err(problem) if cfg!(target_os = "linux") => Outcome::Failed(problem),
        Err(problem) => Outcome::Skipped(problem),
    }
}

/// Whether Rust can build for Android.
fn targets() -> Result<(), String> {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    // Without rustup nobody can tell: the build says what is missing.
    let Ok(listed) = listed else { return Ok(()) };
    let missing = missing_targets(&String::from_utf8_lossy(&listed.stdout));
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("Rust can not build for Android yet: rustup target add {}", missing.join(" ")))
}

/// Compiles what is in Kotlin.
fn compile() -> Result<(), String> {
    let args = ["-q", "-B", "-f", PROJECT, "compile"];
    println!("mvn {}", args.join(" "));
    run(Command::new("mvn").current_dir(root()).args(args))
}

/// Builds the library for one kind of processor, and strips it.
fn build(ndk: &Ndk, abi: Abi, staging: &Path) -> Result<PathBuf, String> {
    println!("{}", abi.name);
    let mut command = cargo(&["build", "--release", "-p", "tidewire-ffi", "--lib"]);
    command.args(["--target", abi.target]);
    ndk.prepare(&mut command, abi);
    run(&mut command)?;
    let from = built().with_file_name(abi.target).join("release").join(LIBRARY);
    let to = staging.join(abi.name).join(LIBRARY);
    copy(&from, &to)?;
    run(ndk.strip().arg("--strip-unneeded").arg(&to))?;
    Ok(to)
}

/// Whether a library is for this processor, and is loaded by systems with such pages.
fn check(library: &Path, abi: &str, machine: u16, page: u64) -> Result<(), String> {
    let bytes = fs::read(library).map_err(told(library))?;
    let elf = elf::parse(&bytes).ok_or_else(|| format!("{} is no library", library.display()))?;
    if elf.machine != machine {
        return Err(format!(
            "{} is not for {abi}: ELF's machine {}",
            library.display(),
            elf.machine
        ));
    }
    if elf.alignment < page {
        return Err(format!(
            "{} is aligned to {} bytes: devices with pages of {page} do not load it",
            library.display(),
            elf.alignment
        ));
    }
    Ok(())
}

/// Packs, and gives the folder with what is to be published.
fn assemble(libraries: &[Jni<'_>], repository: &Path) -> Result<PathBuf, String> {
    let version = version()?;
    let staging = repository.with_extension("staging");
    remove(&staging)?;
    remove(repository)?;
    let folder = repository.join(GROUP.replace('.', "/")).join(ARTIFACT).join(&version);
    fs::create_dir_all(&folder).map_err(told(&folder))?;

    let classes = staging.join("classes");
    for from in CLASSES {
        copy_tree(&root().join(from), &classes, |path| {
            // The JVM's own library is found on the class path, Android's are beside it.
            path.extension().is_none_or(|extension| extension != "so")
        })?;
    }
    let aar = staging.join("aar");
    fs::create_dir_all(&aar).map_err(told(&aar))?;
    jar(&aar.join("classes.jar"), &classes)?;
    for (abi, library) in libraries {
        copy(library, &aar.join("jni").join(abi).join(LIBRARY))?;
    }
    write(&aar.join("AndroidManifest.xml"), &manifest(&text(MANIFEST)?)?)?;
    write(&aar.join("proguard.txt"), &text(RULES)?)?;
    // No resources: the file has to be there all the same.
    write(&aar.join("R.txt"), "")?;
    let metadata = "META-INF/com/android/build/gradle/aar-metadata.properties";
    write(&aar.join(metadata), "aarFormatVersion=1.0\naarMetadataVersion=1.0\n")?;
    jar(&folder.join(format!("{ARTIFACT}-{version}.aar")), &aar)?;

    let sources = staging.join("sources");
    for from in SOURCES {
        copy_tree(&root().join(from), &sources, |_| true)?;
    }
    jar(&folder.join(format!("{ARTIFACT}-{version}-sources.jar")), &sources)?;
    write(&folder.join(format!("{ARTIFACT}-{version}.pom")), &pom(&text(POM)?, &version)?)?;
    Ok(folder)
}

/// The manifest as an AAR has it: what Google's plugin would add to that of the sources.
fn manifest(source: &str) -> Result<String, String> {
    let (before, after) =
        source.split_once("<manifest").ok_or_else(|| format!("{MANIFEST} is no manifest"))?;
    let (attributes, rest) =
        after.split_once('>').ok_or_else(|| format!("{MANIFEST} is no manifest"))?;
    Ok(format!(
        "{before}<manifest package=\"{NAMESPACE}\"{attributes}>\n    \
         <uses-sdk android:minSdkVersion=\"{MIN_SDK}\" />{rest}"
    ))
}

/// The POM: what apps get along with it, in the versions that the tests ran with.
fn pom(jvm: &str, version: &str) -> Result<String, String> {
    let property = |name: &str| {
        between(jvm, &format!("<{name}>"), &format!("</{name}>"))
            .ok_or_else(|| format!("{POM} has no `{name}`"))
    };
    let dependency = |group: &str, artifact: &str, version: &str, kind: &str| {
        format!(
            "    <dependency>\n      <groupId>{group}</groupId>\n      \
             <artifactId>{artifact}</artifactId>\n      <version>{version}</version>\n{kind}      \
             <scope>compile</scope>\n    </dependency>\n"
        )
    };
    let coroutines = "kotlinx-coroutines-core";
    let dependencies = [
        dependency("org.jetbrains.kotlin", "kotlin-stdlib", property("kotlin.version")?, ""),
        dependency("org.jetbrains.kotlinx", coroutines, property("coroutines.version")?, ""),
        // With its native part for Android's processors, which the plain one has not.
        dependency("net.java.dev.jna", "jna", property("jna.version")?, "      <type>aar</type>\n"),
    ];
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <project xmlns=\"http://maven.apache.org/POM/4.0.0\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://maven.apache.org/POM/4.0.0 \
         https://maven.apache.org/xsd/maven-4.0.0.xsd\">\n  \
         <modelVersion>4.0.0</modelVersion>\n  <groupId>{GROUP}</groupId>\n  \
         <artifactId>{ARTIFACT}</artifactId>\n  <version>{version}</version>\n  \
         <packaging>aar</packaging>\n  <name>Tidewire for Android</name>\n  \
         <description>{}</description>\n  <licenses>\n    <license>\n      \
         <name>MIT OR Apache-2.0</name>\n    </license>\n  </licenses>\n  <dependencies>\n{}  \
         </dependencies>\n</project>\n",
        property("description")?,
        dependencies.concat()
    ))
}

/// Whether what was packed is what a build system looks for.
fn look(folder: &Path, libraries: &[Jni<'_>]) -> Result<(), String> {
    let version = version()?;
    let aar = folder.join(format!("{ARTIFACT}-{version}.aar"));
    let names = listed(&aar)?;
    let mut wanted: Vec<String> =
        ["AndroidManifest.xml", "classes.jar", "proguard.txt", "R.txt"].map(String::from).to_vec();
    wanted.extend(libraries.iter().map(|(abi, _)| format!("jni/{abi}/{LIBRARY}")));
    missing(&aar, &names, &wanted)?;
    let classes = built().with_file_name("aar-look");
    remove(&classes)?;
    fs::create_dir_all(&classes).map_err(told(&classes))?;
    run(Command::new("jar").current_dir(&classes).arg("xf").arg(&aar).arg("classes.jar"))?;
    let jar = classes.join("classes.jar");
    let names = listed(&jar)?;
    let wanted = [
        "dev/tidewire/TidewireClient.class",
        "dev/tidewire/model/TimelineModel.class",
        "dev/tidewire/android/DeviceSignals.class",
        "dev/tidewire/ffi/Client.class",
    ];
    missing(&jar, &names, &wanted.map(String::from))?;
    if let Some(library) = names.iter().find(|name| name.ends_with(".so")) {
        return Err(format!("{} holds {library}, which no Android loads", jar.display()));
    }
    let sources = folder.join(format!("{ARTIFACT}-{version}-sources.jar"));
    let wanted = ["dev/tidewire/TidewireClient.kt", "dev/tidewire/android/DeviceSignals.kt"];
    missing(&sources, &listed(&sources)?, &wanted.map(String::from))?;
    let pom = folder.join(format!("{ARTIFACT}-{version}.pom"));
    fs::metadata(&pom).map(|_| ()).map_err(told(&pom))
}

fn missing(archive: &Path, names: &[String], wanted: &[String]) -> Result<(), String> {
    let lacking: Vec<&str> =
        wanted.iter().filter(|name| !names.contains(name)).map(String::as_str).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(format!("{} has no {}", archive.display(), lacking.join(", no ")))
}

fn listed(archive: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("jar").arg("tf").arg(archive).output();
    let output = output.map_err(|error| format!("`jar` could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{} can not be read", archive.display()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Packs what a folder holds.
fn jar(to: &Path, folder: &Path) -> Result<(), String> {
    let mut command = Command::new("jar");
    command.args(["--create", "--no-manifest", TIME, "--file"]).arg(to).arg("-C").arg(folder);
    run(command.arg("."))
}

/// The version of the workspace, which is that of everything in it.
fn version() -> Result<String, String> {
    let manifest = text("Cargo.toml")?;
    between(&manifest, "[workspace.package]", "[")
        .and_then(|section| between(section, "version = \"", "\""))
        .map(str::to_owned)
        .ok_or_else(|| "Cargo.toml has no version of the workspace".into())
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(between, _)| between)
}

fn text(path: &str) -> Result<String, String> {
    read(path).map_err(|error| error.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(told(folder))?;
    }
    fs::write(path, text).map_err(told(path))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(told(folder))?;
    }
    fs::copy(from, to).map(|_| ()).map_err(told(from))
}

fn copy_tree(from: &Path, to: &Path, wanted: fn(&Path) -> bool) -> Result<(), String> {
    fs::create_dir_all(to).map_err(told(to))?;
    for entry in fs::read_dir(from).map_err(told(from))? {
        let path = entry.map_err(told(from))?.path();
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_tree(&path, &to, wanted)?;
        } else if wanted(&path) {
            copy(&path, &to)?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(told(folder)(error)),
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::elf::tests::library;

    #[test]
    fn a_manifest_gets_its_package_and_its_oldest_system_and_keeps_the_rest() {
        let manifest = manifest(&text(MANIFEST).unwrap()).unwrap();
        assert!(manifest.contains("<manifest package=\"dev.tidewire.android\" xmlns:android="));
        assert!(manifest.contains("<uses-sdk android:minSdkVersion=\"26\" />"));
        assert!(manifest.contains("android.permission.ACCESS_NETWORK_STATE"));
        assert!(manifest.trim_end().ends_with("</manifest>"));
    }

    #[test]
    fn the_pom_names_what_the_tests_ran_with_and_jna_with_its_native_part() {
        let pom = pom(&text(POM).unwrap(), &version().unwrap()).unwrap();
        assert!(pom.contains("<packaging>aar</packaging>"));
        assert!(pom.contains("<type>aar</type>"));
        assert!(pom.contains("kotlinx-coroutines-core"));
        assert!(!pom.contains("${"), "{pom}");
    }

    #[test]
    fn a_library_for_another_processor_or_for_small_pages_is_refused() {
        let file = std::env::temp_dir().join(format!("xtask-aar-{}.so", std::process::id()));
        let tried = |machine, alignment| {
            fs::write(&file, library(machine, true, &[alignment])).unwrap();
            check(&file, "arm64-v8a", elf::AARCH64, PAGE)
        };
        assert_eq!(tried(elf::AARCH64, 16_384), Ok(()));
        assert!(tried(elf::X86_64, 16_384).unwrap_err().contains("is not for arm64-v8a"));
        assert!(tried(elf::AARCH64, 4_096).unwrap_err().contains("aligned to 4096 bytes"));
        fs::write(&file, "no library").unwrap();
        assert!(check(&file, "arm64-v8a", elf::AARCH64, PAGE).is_err());
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn gradle_builds_with_what_the_tests_ran_with() {
        let jvm = text(POM).unwrap();
        let property =
            |name: &str| between(&jvm, &format!("<{name}>"), &format!("</{name}>")).unwrap();
        let module = text("bindings/kotlin/android/build.gradle.kts").unwrap();
        let example = text("examples-android/build.gradle.kts").unwrap();
        let (kotlin, coroutines) = (property("kotlin.version"), property("coroutines.version"));
        let version = version().unwrap();
        for line in [
            format!("id(\"org.jetbrains.kotlin.android\") version \"{kotlin}\""),
            format!("kotlinx-coroutines-core:{coroutines}\""),
            format!("net.java.dev.jna:jna:{}@aar\"", property("jna.version")),
            format!("namespace = \"{NAMESPACE}\""),
            format!("minSdk = {MIN_SDK}"),
            format!("version = \"{version}\""),
        ] {
            assert!(module.contains(&line), "{line}");
        }
        for line in [
            format!("id(\"org.jetbrains.kotlin.android\") version \"{kotlin}\""),
            format!("kotlinx-coroutines-android:{coroutines}\""),
            format!("{GROUP}:{ARTIFACT}:{version}\""),
        ] {
            assert!(example.contains(&line), "{line}");
        }
        for pom in [POM, "bindings/kotlin/android/pom.xml", "examples-android/pom.xml"] {
            let pom = text(pom).unwrap();
            assert!(pom.contains(&format!("<kotlin.version>{kotlin}</kotlin.version>")));
        }
    }

    #[test]
    fn the_rules_for_r8_keep_what_is_found_by_name() {
        let rules = text(RULES).unwrap();
        for kept in ["com.sun.jna.**", "dev.tidewire.ffi.**", "-dontwarn java.awt."] {
            assert!(rules.contains(kept), "{kept}");
        }
    }
}
