//! Versions of tools, read from what they say of themselves.

use std::fmt;

/// The first two numbers of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Version {
    /// Reads the version that follows `label`: `1.95.0`, `17.0.15`, `21` (then the second number
    /// is 0).
    pub(crate) fn after(label: &str, text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(label)?;
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let mut numbers = rest[..end].split('.');
        let first = numbers.next()?.parse().ok()?;
        let second = match numbers.next() {
            None | Some("") => 0,
            Some(number) => number.parse().ok()?,
        };
        Some(Self(first, second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_tools_write_them() {
        let cargo = "cargo 1.95.0 (f2d3ce0bd 2026-03-21)";
        assert_eq!(Version::after("cargo ", cargo), Some(Version(1, 95)));
        assert_eq!(Version::after("cargo ", "cargo 1.100.0-nightly (abc)"), Some(Version(1, 100)));
        let linux = "Swift version 6.0.3 (swift-6.0.3-RELEASE)\nTarget: x86_64-unknown-linux-gnu";
        assert_eq!(Version::after("Swift version ", linux), Some(Version(6, 0)));
        let mac = "swift-driver version: 1.115.1 Apple Swift version 6.1 (swiftlang-6.1.0.110.21)";
        assert_eq!(Version::after("Swift version ", mac), Some(Version(6, 1)));
        let maven = "\u{1b}[1mApache Maven 3.8.7\u{1b}[m\nJava version: 17.0.15, vendor: Debian";
        assert_eq!(Version::after("Java version: ", maven), Some(Version(17, 0)));
        assert_eq!(
            Version::after("Java version: ", "Java version: 21, vendor"),
            Some(Version(21, 0))
        );
        assert_eq!(Version::after("cargo ", "something else"), None);
        assert_eq!(Version::after("cargo ", "cargo of unknown version"), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(Version(1, 100) > Version(1, 90) && Version(1, 9) < Version(1, 90));
        assert!(Version(6, 0) > Version(5, 10));
    }
}
