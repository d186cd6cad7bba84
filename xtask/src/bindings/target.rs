//! What libraries are called on which system.

/// The folder on the class path in which JNA looks for libraries of this system.
pub(crate) fn resource_prefix(os: &str, arch: &str) -> Option<String> {
    let os = match os {
        "linux" => "linux",
        "macos" => "darwin",
        "windows" => "win32",
        _ => return None,
    };
    let arch = match arch {
        "x86_64" => "x86-64",
        "x86" => "x86",
        "aarch64" => "aarch64",
        "arm" => "arm",
        "riscv64" => "riscv64",
        _ => return None,
    };
    Some(format!("{os}-{arch}"))
}

/// The file of a crate's shared library.
pub(crate) fn shared_library(name: &str, os: &str) -> String {
    match os {
        "macos" => format!("lib{name}.dylib"),
        "windows" => format!("{name}.dll"),
        _ => format!("lib{name}.so"),
    }
}

/// The file of a crate's static library.
pub(crate) fn static_library(name: &str, os: &str) -> String {
    if os == "windows" { format!("{name}.lib") } else { format!("lib{name}.a") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stand_where_jna_looks() {
        let of = |os, arch| resource_prefix(os, arch).unwrap();
        assert_eq!(of("linux", "x86_64"), "linux-x86-64");
        assert_eq!(of("linux", "aarch64"), "linux-aarch64");
        assert_eq!(of("macos", "aarch64"), "darwin-aarch64");
        assert_eq!(resource_prefix("haiku", "x86_64"), None);
        assert_eq!(shared_library("a", "macos"), "liba.dylib");
        assert_eq!(shared_library("a", "linux"), "liba.so");
        assert_eq!(static_library("a", "linux"), "liba.a");
    }
}
