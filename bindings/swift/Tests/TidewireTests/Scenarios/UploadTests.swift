import Foundation
import Testing

@testable import Tidewire

@Suite struct UploadTests {
    /// A file of so many bytes, no two parts of it alike.
    private func file(_ name: String, bytes: Int) throws -> URL {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("tidewire-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let url = folder.appendingPathComponent(name)
        var data = Data(count: bytes)
        for at in stride(from: 0, to: bytes, by: 251) { data[at] = UInt8(truncatingIfNeeded: at / 251) }
        try data.write(to: url)
        return url
    }

    // scenario: upload
    @Test func aFileShowsAtOnceAndArrivesWholeThroughACut() async throws {
        let pair = try await Pair.meet()
        let bytes = 3 * 1_024 * 1_024
        let cliff = try file("cliff.png", bytes: bytes)
        let original = try Data(contentsOf: cliff)
        try await pair.world.cut()
        let id = try await pair.room.sendFiles(
            [NewFile(path: cliff.path, width: 30, height: 20)], OutgoingMessage(text: "The way up"))
        let waiting = try await pair.timeline.rows("it waits") { rows in
            rows.messages.contains { $0.id == id && $0.outgoing.count == 1 }
        }
        let outgoing = try #require(waiting.messages.first { $0.id == id }?.outgoing.first)
        #expect(outgoing.name == "cliff.png" && outgoing.contentType == "image/png")
        #expect(outgoing.size == UInt64(bytes) && !outgoing.uploaded)
        // The client has its own.
        try FileManager.default.removeItem(at: cliff)
        #expect(FileManager.default.fileExists(atPath: outgoing.path))
        try await pair.world.mend()
        let rows = try await pair.peerTimeline.rows("the file") { rows in
            rows.messages.contains { !$0.attachments.isEmpty }
        }
        let listed = try #require(rows.messages.first { $0.id == id }?.attachments.first)
        #expect(listed.width == 30 && listed.height == 20 && listed.size == UInt64(bytes))
        let local = try await within("the file") { try await pair.peer.download(listed).file() }
        #expect(try Data(contentsOf: local.url) == original)
        try await pair.timeline.rows("it is sent") { rows in
            rows.messages.contains { $0.id == id && $0.outgoing.isEmpty && !$0.attachments.isEmpty }
        }
        try await pair.end()
    }

    @Test func aFileThatCanNotBeSentSaysWhy() async throws {
        let pair = try await Pair.meet()
        let empty = try file("empty.txt", bytes: 0)
        await fails(with: .FileMissing(path: "/nowhere/at/all.png")) {
            try await pair.room.sendFiles([NewFile(path: "/nowhere/at/all.png")])
        }
        do {
            try await pair.room.sendFiles([NewFile(path: empty.path)])
            Issue.record("there is nothing in it")
        } catch TidewireError.FileUnusable(let path, _) {
            #expect(path == empty.path)
        }
        try await pair.end()
    }
}
