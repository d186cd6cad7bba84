#if os(Linux)
import Foundation
import Testing

@testable import Tidewire

@Suite struct EnduranceTests {
    /// Memory, threads and open files after the first tenth, and after ten times as much. A client that is not
    /// let go of takes some 100 KB and a file, a call 1 KB: the bounds are a hundredth and a third of that.
    @Test func clientsOpenedAndClosedAndCallsCancelledByTheThousandLeaveNothing() async throws {
        let world = try await World.new()
        let ada = Person("ada")
        try FileManager.default.createDirectory(
            atPath: ada.folder, withIntermediateDirectories: true)
        let token = try await Stage.token(ada.name)
        let program = Process()
        program.executableURL = try products().appendingPathComponent("endurance")
        program.arguments = [world.url, ada.name, token, ada.folder, "1000", "3000"]
        let pipe = Pipe()
        program.standardOutput = pipe
        try program.run()
        let output = try await reading(pipe)
        program.waitUntilExit()
        #expect(program.terminationStatus == 0, "\(output)")
        #expect(output.hasSuffix("works\n"), "\(output)")
        print(output)
        for (what, most) in [("clients", 16_000_000), ("calls", 3_000_000)] {
            let before = try use("\(what) before", in: output)
            let after = try use("\(what) after", in: output)
            #expect(after[0] - before[0] < most, "bytes, \(output)")
            #expect(after[1] <= before[1] + 2, "threads, \(output)")
            #expect(after[2] <= before[2] + 4, "open files, \(output)")
        }
    }

    /// The folder with this program, in which SwiftPM puts the other one too.
    private func products() throws -> URL {
        let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? path
        return URL(fileURLWithPath: bundle).deletingLastPathComponent()
    }

    private func reading(_ pipe: Pipe) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                let data = pipe.fileHandleForReading.readDataToEndOfFile()
                continuation.resume(returning: String(decoding: data, as: UTF8.self))
            }
        }
    }

    private func use(_ name: String, in output: String) throws -> [Int] {
        let line = output.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
        let numbers = try #require(line).dropFirst(name.count).split(separator: " ").compactMap { Int($0) }
        return try #require(numbers.count == 3 ? numbers : nil)
    }
}
#endif
