//! What makes a library smaller and costs it nothing: LLVM's linker keeps functions that are the same to the byte
//! once, and packs the table of addresses that are moved when it is loaded.

use std::process::Command;

const SAME_ONCE: &str = "-C link-arg=-Wl,--icf=all";

/// As Android 6 and later read it.
const PACKED_FOR_ANDROID: &str = "-C link-arg=-Wl,--pack-dyn-relocs=android";

/// As glibc 2.36 and later read it.
const PACKED_FOR_LINUX: &str = "-C link-arg=-Wl,-z,pack-relative-relocs";

/// Of a library for Android: the NDK has no other linker.
pub(super) fn for_android() -> String {
    format!("{SAME_ONCE} {PACKED_FOR_ANDROID}")
}

/// Has cargo link a library for this machine in the same way, where Rust brings that linker.
pub(crate) fn for_host(command: &mut Command) {
    if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        let flags = format!("{SAME_ONCE} {PACKED_FOR_LINUX}");
        command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", flags);
    }
}
