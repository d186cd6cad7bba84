import Foundation

@testable import Tidewire

/// Gives tokens for a user.
typealias Tokens = @Sendable (_ user: String) async throws -> String

/// The folder of all clients of this run, removed when the run ends.
let runFolder: URL = {
    let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("tidewire-\(UUID().uuidString)")
    atexit { try? FileManager.default.removeItem(at: runFolder) }
    return folder
}()

/// A user of a test with a name that nobody else has, and with a folder of their own.
struct Person: Sendable {
    let name: String
    let folder: String

    init(_ name: String) {
        self.name = "\(name)-\(UUID().uuidString.prefix(8).lowercased())"
        folder = runFolder.appendingPathComponent(self.name).path
    }

    private init(name: String, folder: String) {
        self.name = name
        self.folder = folder
    }

    /// The same user on another device.
    func elsewhere() -> Person {
        Person(name: name, folder: "\(folder)-elsewhere")
    }

    /// Another user in the same folder.
    func neighbour(_ name: String) -> Person {
        Person(name: Person(name).name, folder: folder)
    }

    /// The folders of the accounts in this person's folder.
    func accounts() throws -> [URL] {
        try FileManager.default.contentsOfDirectory(
            at: URL(fileURLWithPath: folder), includingPropertiesForKeys: nil)
    }

    /// Opens a client that shows everything at once and asks often.
    func open(
        _ world: World,
        tokens: @escaping Tokens = { try await Stage.token($0) }
    ) async throws -> TidewireClient {
        let name = name
        let settings = Settings(
            url: world.url, user: name, dataDir: folder,
            messageBufferTimeMs: 0, presenceHeartbeatIntervalMs: 1_000,
            backgroundHeartbeatIntervalMs: 1_000, pollingIntervalMs: 200)
        return try await TidewireClient.open(settings) { try await tokens(name) }
    }
}

/// Two who talk to each other in a direct room: ada on a network that can be cut, grace on one that
/// never is.
struct Pair: Sendable {
    let world: World
    let ada = Person("ada")
    let grace = Person("grace")
    let client: TidewireClient
    let peer: TidewireClient
    let room: Room
    let timeline: Timeline
    let peerTimeline: Timeline

    /// Sends what ada says, and waits until both have it.
    @discardableResult
    func say(_ text: String, in room: Room) async throws -> String {
        let id = try await room.send(text)
        for timeline in [timeline, peerTimeline] {
            try await timeline.message(id, "\(text) is there") { $0.state.isSent }
        }
        return id
    }

    /// The room as grace has it.
    var theirs: Room { peer.room(room.id) }

    /// - Parameter tokens: for ada.
    static func meet(
        tokens: @escaping Tokens = { try await Stage.token($0) }
    ) async throws -> Pair {
        try await Pair(world: World.new(), steady: World.new(), tokens: tokens)
    }

    private init(world: World, steady: World, tokens: @escaping Tokens) async throws {
        self.world = world
        client = try await ada.open(world, tokens: tokens)
        peer = try await grace.open(steady)
        _ = try await peer.online()
        _ = try await client.online()
        room = try await client.directRoom(with: grace.name)
        timeline = try await room.timeline()
        try await peer.knows(room.id)
        peerTimeline = try await peer.room(room.id).timeline()
    }

    func end() async throws {
        try await client.shutdown()
        try await peer.shutdown()
    }
}

extension TidewireClient {
    /// Waits until the client reads.
    @discardableResult
    func online() async throws -> ModeReport {
        try await first("online", in: modes) { $0.mode != .offline && $0.reason != .starting }
    }

    /// Waits until the client knows a room.
    func knows(_ room: String) async throws {
        let events = events
        if try await rooms().contains(where: { $0.id == room }) { return }
        _ = try await first("the room is in the list", in: events) { [self] _ in
            try await rooms().contains { $0.id == room }
        }
    }
}
