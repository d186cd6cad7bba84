import Foundation
import Testing

@testable import Tidewire

@Suite struct DownloadTests {
    // scenario: download
    @Test func aFileComesWholeThroughACutAndIsThereWithoutANetworkAfterwards() async throws {
        let world = try await World.new()
        let ada = Person("ada")
        let bytes: UInt64 = 6 * 1_024 * 1_024
        let sent = try await Stage.file(from: Person("grace").name, to: ada.name, bytes: bytes)
        let client = try await ada.open(world)
        try await client.knows(sent.room)
        let timeline = try await client.room(sent.room).timeline()
        let rows = try await timeline.rows("the file") { rows in
            rows.messages.contains { !$0.attachments.isEmpty }
        }
        let file = try #require(rows.messages.flatMap(\.attachments).first)
        #expect(file.name == "tides.bin" && file.size == bytes && file.sha256 == sent.sha256)

        try await world.delay(ms: 1)
        let download = try client.download(file)
        let told = Task { () async throws -> [DownloadProgress] in
            var steps: [DownloadProgress] = []
            for try await step in download.progress { steps.append(step) }
            return steps
        }
        // In the middle of it, and once more.
        let same = try client.download(file)
        _ = try await first("some of it", in: same.progress) { $0.bytes >= 1_024 * 1_024 }
        try await world.cut()
        try await world.mend()
        let local = try await within("the file") { try await same.file() }
        #expect(local.size == bytes && !local.url.path.contains("tides"))
        #expect(try Data(contentsOf: local.url).count == Int(bytes))
        #expect(try await download.file().url == local.url)
        // It ends with the download.
        let steps = try await within("the end of the steps") { try await told.value }
        #expect(steps.last?.bytes == bytes)
        #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.bytes <= $1.bytes }, "\(steps)")
        let report = try await client.cacheReport().downloads
        #expect(report.fromServer == 1 && report.files == 1)
        #expect(report.received == bytes, "no byte came twice")
        try await client.shutdown()

        try await world.cut()
        let again = try await ada.open(world)
        let kept = try await again.download(file).file()
        #expect(kept.url == local.url)
        #expect(try await again.cacheReport().downloads.fromDisk == 1)
        try await again.logout(.discard)
        #expect(!FileManager.default.fileExists(atPath: kept.url.path))
    }

    @Test func aDownloadThatCanNotBeSaysWhy() async throws {
        let client = try await Person("ada").open(World.new())
        try await client.online()
        func file(key: String = "0123456789abcdef", size: UInt64 = 1) -> Attachment {
            Attachment(
                id: "00000000-0000-7000-8000-000000000001", key: key, name: "a", contentType: "a/b",
                size: size, sha256: String(repeating: "00", count: 32), width: nil, height: nil,
                durationMs: nil, preview: nil)
        }
        do {
            _ = try await client.download(file()).file()
            Issue.record("there is no such file")
        } catch TidewireError.Refused(let code, _, _, _) {
            #expect(code == "unknown_file")
        }
        let large: UInt64 = 256 * 1_024 * 1_024 + 1
        await fails(with: .FileTooLarge(size: large, most: large - 1)) {
            _ = try await client.download(file(size: large)).file()
        }
        #expect(throws: TidewireError.self) { try client.download(file(key: "../a")) }
        let download = try client.download(file())
        download.cancel()
        await fails(with: .Closed) { _ = try await download.file() }
        try await client.shutdown()
    }
}
