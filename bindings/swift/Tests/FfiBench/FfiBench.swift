import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
import Tidewire
import TidewireFFI

/// What the border between Swift and the library costs: one life of a process, a figure a line. `cargo xtask
/// bench ffi` runs several of them, with the library as phones get it.
///
/// Nothing here waits for a network while it is measured. A timeline hands each batch over once, so there is one for
/// each time that something is measured.
@main
struct FfiBench {
    static func main() async throws {
        tell("library_ready", ContinuousClock().measure { CancelToken().cancel() } / .milliseconds(1))

        let user = "ada-\(UUID().uuidString.prefix(8).lowercased())"
        let url = try await asked("worlds", for: "url")
        let token = try await asked("tokens?user=\(user)&seconds=3600", for: "token")
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("tidewire-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let settings = Settings(
            url: url, user: user, dataDir: folder.path, messageBufferTimeMs: 0, maxMessagesPerRoom: 5_000)
        let client = try await TidewireClient.open(settings) { token }
        for try await report in client.modes where report.mode != .offline { break }
        // Rooms come from the server; everything else happens without it.
        let rooms = try await [
            client.createGroup(name: "Pages", members: []),
            client.createGroup(name: "Bursts", members: []),
            client.createGroup(name: "Diffs", members: []),
        ]
        client.setModeCeiling(.offline)
        for try await report in client.modes where report.mode == .offline { break }
        try await calls(client)
        try await pages(rooms[0])
        try await bursts(rooms[1])
        try await diffs(rooms[2])
        try await client.shutdown()
    }

    private static func calls(_ client: TidewireClient) async throws {
        let token = CancelToken()
        tell("call", try await median(of: 5_000) { token.cancel() } / .microseconds(1))
        tell("async_call", try await median(of: 5_000) { _ = try await client.budget() } / .microseconds(1))
    }

    /// A timeline that opens with a page of 50 messages.
    private static func pages(_ room: Room) async throws {
        for number in 0..<page { try await room.send(text(number)) }
        var timelines = try await open(200, in: room)
        tell("page_50", try await median(of: timelines.count / 2) {
            var batches = timelines.removeLast().batches.makeAsyncIterator()
            guard case .reset(let rows, _) = try await batches.next()?.update, rows.count >= page else {
                throw Trouble("a timeline that does not open with a page")
            }
        } / .microseconds(1))
    }

    /// Messages that come in while nobody reads, and then all at once.
    private static func bursts(_ room: Room) async throws {
        var timelines = try await open(20, in: room)
        for number in 0..<events { try await room.send(text(number)) }
        tell("burst_1000", try await median(of: timelines.count / 2) {
            for try await rows in timelines.removeLast().rows where rows.count >= events { return }
        } / .microseconds(events))
    }

    /// A message that fails: all behind it change at that moment.
    private static func diffs(_ room: Room) async throws {
        let begin = ContinuousClock.now
        let options = SendOptions(onFailure: .hold, expiresAfterMs: expiryMs)
        try await room.send(OutgoingMessage(text: text(0)), options: options)
        for number in 0..<events { try await room.send(text(number)) }
        let watcher = try await room.timeline()
        var timelines = try await open(20, in: room)
        for timeline in timelines {
            var batches = timeline.batches.makeAsyncIterator()
            _ = try await batches.next()
        }
        guard ContinuousClock.now - begin < .milliseconds(expiryMs) else {
            throw Trouble("this machine is too slow: the first message has failed already")
        }
        var changes = 0
        for try await batch in watcher.batches {
            guard case .diff(let diff) = batch.update, diff.count >= events else { continue }
            changes = diff.count
            break
        }
        tell("diffs_1000", try await median(of: timelines.count / 2) {
            var batches = timelines.removeLast().batches.makeAsyncIterator()
            guard case .diff(let diff) = try await batches.next()?.update, diff.count == changes else {
                throw Trouble("not the diffs that everybody gets")
            }
        } / .microseconds(changes))
    }

    /// Timelines, one for each time that something is measured and as many for the caches to get warm.
    private static func open(_ count: Int, in room: Room) async throws -> [Tidewire.Timeline] {
        var timelines: [Tidewire.Timeline] = []
        for _ in 0..<count { timelines.append(try await room.timeline()) }
        return timelines
    }

    /// The median of so many, after as many that are not measured.
    private static func median(of count: Int, _ work: () async throws -> Void) async throws -> Duration {
        for _ in 0..<count { try await work() }
        var times: [Duration] = []
        for _ in 0..<count {
            let begin = ContinuousClock.now
            try await work()
            times.append(ContinuousClock.now - begin)
        }
        return times.sorted()[count / 2]
    }

    private static func tell(_ name: String, _ value: Double) {
        print(name, value)
    }

    /// As long as messages are: about 60 bytes.
    private static func text(_ number: Int) -> String {
        "Message \(number), about as long as what people write to each other"
    }

    /// Asks the program that runs the server, see `TIDEWIRE_STAGE`.
    private static func asked(_ call: String, for field: String) async throws -> String {
        let stage = ProcessInfo.processInfo.environment["TIDEWIRE_STAGE"] ?? ""
        guard let url = URL(string: "\(stage)/\(call)"), url.scheme == "http" else {
            throw Trouble("TIDEWIRE_STAGE is `\(stage)`, and not the address of a running stage")
        }
        var request = URLRequest(url: url)
        request.httpMethod = "POST"
        let (data, _) = try await URLSession.shared.data(for: request)
        let answer = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        guard let value = answer?[field] as? String else { throw Trouble("the stage gives no \(field)") }
        return value
    }

    private static let page = 50
    private static let events = 1_000
    private static let expiryMs: UInt64 = 10_000
}

private struct Trouble: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
