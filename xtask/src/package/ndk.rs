//! The Android NDK: where it is, and how Rust builds with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{elf, lean};

/// One kind of processor that Android runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abi {
    /// Android's name: the folder in an AAR.
    pub(super) name: &'static str,
    /// Rust's name.
    pub(super) target: &'static str,
    /// What the NDK's compilers for it are called by.
    clang: &'static str,
    /// ELF's number.
    pub(super) machine: u16,
}

/// Those that apps are published for.
pub(super) const ABIS: &[Abi] = &[
    Abi {
        name: "arm64-v8a",
        target: "aarch64-linux-android",
        clang: "aarch64-linux-android",
        machine: elf::AARCH64,
    },
    Abi {
        name: "armeabi-v7a",
        target: "armv7-linux-androideabi",
        clang: "armv7a-linux-androideabi",
        machine: elf::ARM,
    },
    Abi {
        name: "x86_64",
        target: "x86_64-linux-android",
        clang: "x86_64-linux-android",
        machine: elf::X86_64,
    },
];

/// The oldest system that the library runs on: Android 8.0. Below it `java.nio.file` is missing.
pub(super) const MIN_SDK: u32 = 26;

/// Pages of 16 KiB are what devices with Android 15 and later may have; a library that is aligned to them runs
/// on smaller ones too.
pub(super) const PAGE: u64 = 16_384;

/// How to get one.
const HOW: &str = "\
install it in Android Studio (SDK Manager, SDK Tools, NDK), or by\n    \
sdkmanager --install 'ndk;27.2.12479018'\n\
and set ANDROID_NDK_HOME to its folder. Any from r26 on will do";

/// An installed NDK.
#[derive(Debug)]
pub(super) struct Ndk {
    /// The folder of its compilers.
    bin: PathBuf,
}

impl Ndk {
    /// The one that the environment names, else the newest of the SDK that it names.
    pub(super) fn find(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, String> {
        for name in ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT"] {
            if let Some(folder) = variable(name) {
                return Self::at(&folder).ok_or_else(|| {
                    format!("{name} is {}, and there is no Android NDK: {HOW}", folder.display())
                });
            }
        }
        for name in ["ANDROID_HOME", "ANDROID_SDK_ROOT"] {
            let Some(sdk) = variable(name) else { continue };
            let found = std::fs::read_dir(sdk.join("ndk"));
            let mut versions: Vec<PathBuf> =
                found.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
            versions.sort_by_key(|path| version(path));
            if let Some(ndk) = versions.iter().rev().find_map(|folder| Self::at(folder)) {
                return Ok(ndk);
            }
        }
        Err(format!("there is no Android NDK, which compiles for Android: {HOW}"))
    }

    fn at(folder: &Path) -> Option<Self> {
        let prebuilt = std::fs::read_dir(folder.join("toolchains/llvm/prebuilt")).ok()?;
        let mut hosts = prebuilt.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
        let bin = hosts.find(|bin| bin.is_dir())?;
        Some(Self { bin })
    }

    /// Has cargo, and the build scripts that compile C, build for this.
    pub(super) fn prepare(&self, command: &mut Command, abi: Abi) {
        let extension = if cfg!(windows) { ".cmd" } else { "" };
        let clang = self.bin.join(format!("{}{MIN_SDK}-clang{extension}", abi.clang));
        let upper = abi.target.to_uppercase().replace('-', "_");
        let lower = abi.target.replace('-', "_");
        command
            .env(format!("CC_{lower}"), &clang)
            .env(format!("AR_{lower}"), self.tool("llvm-ar"))
            .env(format!("CARGO_TARGET_{upper}_LINKER"), &clang)
            .env(
                format!("CARGO_TARGET_{upper}_RUSTFLAGS"),
                format!("-C link-arg=-Wl,-z,max-page-size={PAGE} {}", lean::for_android()),
            );
    }

    /// Its program that takes away what only debuggers need.
    pub(super) fn strip(&self) -> Command {
        Command::new(self.tool("llvm-strip"))
    }

    fn tool(&self, name: &str) -> PathBuf {
        self.bin.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// The numbers in a folder's name, to be compared.
fn version(folder: &Path) -> Vec<u32> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// Which of Rust's targets have to be added first.
pub(super) fn missing_targets(installed: &str) -> Vec<&'static str> {
    let has = |target: &&str| installed.lines().any(|line| line.trim() == *target);
    ABIS.iter().map(|abi| abi.target).filter(|target| !has(target)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_ndk_the_error_says_what_to_install_and_where_to_say_it() {
        let error = Ndk::find(|_| None).unwrap_err();
        assert!(error.contains("sdkmanager --install 'ndk;"), "{error}");
        assert!(error.contains("ANDROID_NDK_HOME"), "{error}");
        let wrong = |name: &str| (name == "ANDROID_NDK_HOME").then(|| PathBuf::from("/nowhere"));
        let error = Ndk::find(wrong).unwrap_err();
        assert!(error.contains("ANDROID_NDK_HOME is /nowhere"), "{error}");
    }

    #[test]
    fn the_newest_ndk_of_an_sdk_is_taken() {
        let sdk = std::env::temp_dir().join(format!("xtask-ndk-{}", std::process::id()));
        for version in ["9.0.1", "27.2.12479018", "26.3.11579264"] {
            let bin =
                sdk.join("ndk").join(version).join("toolchains/llvm/prebuilt/linux-x86_64/bin");
            std::fs::create_dir_all(bin).unwrap();
        }
        let of_sdk = |name: &str| (name == "ANDROID_HOME").then(|| sdk.clone());
        let ndk = Ndk::find(of_sdk).unwrap();
        assert!(ndk.bin.to_string_lossy().contains("27.2.12479018"), "{ndk:?}");
        let mut command = Command::new("cargo");
        ndk.prepare(&mut command, ABIS[1]);
        let value = |name: &str| {
            let found = command.get_envs().find(|(other, _)| *other == name);
            found.and_then(|(_, value)| value).unwrap().to_string_lossy().into_owned()
        };
        let clang = value("CARGO_TARGET_ARMV7_LINUX_ANDROIDEABI_LINKER");
        assert!(clang.contains("armv7a-linux-androideabi26-clang"), "{clang}");
        let flags = value("CARGO_TARGET_ARMV7_LINUX_ANDROIDEABI_RUSTFLAGS");
        assert!(flags.contains("max-page-size=16384"), "{flags}");
        assert!(
            flags.contains("--icf=all") && flags.contains("--pack-dyn-relocs=android"),
            "{flags}"
        );
        assert_eq!(value("CC_armv7_linux_androideabi"), clang);
        std::fs::remove_dir_all(sdk).unwrap();
    }

    #[test]
    fn targets_that_rust_lacks_are_named() {
        let installed = "x86_64-unknown-linux-gnu\naarch64-linux-android\nx86_64-linux-android\n";
        assert_eq!(missing_targets(installed), ["armv7-linux-androideabi"]);
        assert_eq!(missing_targets("").len(), ABIS.len());
    }
}
