import Foundation
import Testing

@testable import Tidewire

/// The file is the process's: no other test may have one.
@Suite struct LogTests {
    @Test func theLogsSayWhatAClientDoesAndNotWhatIsSaid() async throws {
        try FileManager.default.createDirectory(at: runFolder, withIntermediateDirectories: true)
        let path = runFolder.appendingPathComponent("\(UUID().uuidString).log").path
        try logs(into: path)
        let lines = Locked<[LogLine]>([])
        let reading = Task {
            for try await batch in Logs(.info) { lines.withLock { $0 += batch.lines } }
        }
        let ada = Person("ada")
        // Until the subscription is there, nothing is told: each client tells its mode again.
        try await within("the mode") {
            while !lines.withLock({ $0.contains { $0.text.contains("user=\(ada.name)") } }) {
                let client = try await ada.open(World.new())
                try await client.online()
                let room = try await client.createGroup(name: "Tea", members: [])
                try await room.send("a lighthouse in the fog")
                try await client.shutdown()
            }
        }
        let mode = try #require(lines.withLock { $0.first { $0.text.contains("user=\(ada.name)") } })
        #expect(mode.level == .info && mode.target.hasPrefix("tidewire") && mode.text.contains("mode="))
        #expect(lines.withLock { $0.allSatisfy { !$0.text.contains("lighthouse") } })
        try Logs.stopWriting()
        let written = try String(contentsOfFile: path, encoding: .utf8)
        #expect(written.contains("user=\(ada.name)") && !written.contains("lighthouse"))
        reading.cancel()
        try await within("the loop ends") { try await reading.value }
        #expect(throws: TidewireError.self) {
            try Logs.write(into: LogFile(path: "/nowhere/at/all.log", level: .info))
        }
    }
}
