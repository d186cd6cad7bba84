//! The manifest of the package that is published.

use super::MODULE;

/// It differs from that of the sources: the library is got from where the release is.
pub(super) fn release(url: &str, checksum: &str) -> String {
    format!(
        r#"// swift-tools-version: 6.0

import PackageDescription

let package = Package(
    name: "Tidewire",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [
        .library(name: "Tidewire", targets: ["Tidewire"]),
    ],
    targets: [
        .binaryTarget(
            name: "{MODULE}",
            url: "{url}",
            checksum: "{checksum}"
        ),
        // Generated. Swift 6.0 crashes when it compiles it in Swift 6 mode.
        .target(
            name: "TidewireFFI",
            dependencies: ["{MODULE}"],
            swiftSettings: [.swiftLanguageMode(.v5)]
        ),
        .target(
            name: "Tidewire",
            dependencies: ["TidewireFFI"],
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
    ]
)
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::read;

    #[test]
    fn what_is_published_is_for_the_systems_that_the_sources_are_for() {
        let own = read("bindings/swift/Package.swift").unwrap();
        let published = release("https://example.com/a.zip", "0123");
        for line in [
            "// swift-tools-version: 6.0\n",
            "    platforms: [.iOS(.v15), .macOS(.v12)],\n",
            "        .library(name: \"Tidewire\", targets: [\"Tidewire\"]),\n",
        ] {
            assert!(own.contains(line) && published.contains(line), "{line}");
        }
        assert!(published.contains("url: \"https://example.com/a.zip\""));
        assert!(published.contains("checksum: \"0123\""));
    }
}
