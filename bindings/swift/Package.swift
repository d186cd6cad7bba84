// swift-tools-version: 6.0

import PackageDescription

// The Rust library. `cargo xtask bindings` makes it, its header and the Swift code that calls it;
// none of them is committed.
#if os(Linux)
// Linux has no XCFrameworks: the header has a module map of its own, the library is linked by path.
let rust = Target.systemLibrary(name: "CTidewire", path: "Sources/CTidewire")
let linking: [LinkerSetting] = [
    // The second one because Swift 6.0's `libswiftObservation.so` lacks a function of the runtime, which it
    // calls only before it aborts.
    .unsafeFlags(["-L\(Context.packageDirectory)/lib", "-Xlinker", "--allow-shlib-undefined"]),
    .linkedLibrary("tidewire_ffi"),
    // What Rust's standard library and SQLite need on Linux.
    .linkedLibrary("pthread"),
    .linkedLibrary("dl"),
    .linkedLibrary("m"),
]
#else
// Not run so far: it needs macOS and Xcode. The XCFramework has the header and a module map that
// names the module `CTidewire` in a folder of their own below its `Headers`.
let rust = Target.binaryTarget(name: "CTidewire", path: "lib/CTidewire.xcframework")
let linking: [LinkerSetting] = []
#endif

let package = Package(
    name: "Tidewire",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [
        .library(name: "Tidewire", targets: ["Tidewire"]),
    ],
    targets: [
        rust,
        // Generated. Swift 6.0 crashes when it compiles it in Swift 6 mode.
        .target(
            name: "TidewireFFI",
            dependencies: ["CTidewire"],
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: linking
        ),
        // Written by hand: what apps import.
        .target(
            name: "Tidewire",
            dependencies: ["TidewireFFI"],
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        // What a test runs in a process of its own.
        .executableTarget(
            name: "endurance",
            dependencies: ["Tidewire"],
            path: "Tests/Endurance",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        // What the border to the Rust library costs.
        .executableTarget(
            name: "ffi-bench",
            dependencies: ["Tidewire", "TidewireFFI"],
            path: "Tests/FfiBench",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        .testTarget(
            name: "TidewireTests",
            dependencies: ["Tidewire", "TidewireFFI", "endurance"],
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
    ]
)
