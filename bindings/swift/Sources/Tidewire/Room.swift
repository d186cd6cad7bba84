import TidewireFFI

/// A room of a client, by its id: a light value, which holds nothing but the id and the client.
public struct Room: Sendable, Identifiable {
    /// The room's id.
    public let id: String

    let client: TidewireFFI.Client
    let gate: Gate

    /// Sends a text. Gives the message's id once it is on disk; by then open timelines show it as
    /// `.sending`. From there on it arrives exactly once, whatever happens to the network or the
    /// app. Goes on if the task is cancelled. Waits for the disk, never for the network.
    ///
    /// A Swift string is always valid Unicode: half a surrogate pair, as text fields of UTF-16 can
    /// give, has become U+FFFD by the time it is a `String`.
    ///
    /// - Parameter text: at most 8 KiB of UTF-8, and not empty.
    /// - Throws: `InvalidId`, `InvalidMessage`, `UnknownRoom`, `NotAMember`, `OutboxFull`,
    ///   `Closed`, `Internal`, and those of the store.
    @discardableResult
    public func send(_ text: String) async throws -> String {
        try await send(OutgoingMessage(text: text))
    }

    /// The same for a message with mentions or with data of the app's own.
    @discardableResult
    public func send(_ message: OutgoingMessage) async throws -> String {
        try gate.pass()
        return try await client.send(room: id, message: message)
    }

    /// Marks the room as read up to a message, also for the user's other devices. Never goes back;
    /// survives a restart, and reaches the server when there is a network. Goes on if the task is
    /// cancelled. Waits for the disk, never for the network.
    ///
    /// - Parameter seq: the message's place in the room.
    /// - Throws: `InvalidId`, `UnknownRoom`, `NotAMember`, `Suspended`, `Closed`, `Internal`, and
    ///   those of the store.
    public func markRead(upTo seq: UInt64) async throws {
        try gate.pass()
        try await client.markRead(room: id, seq: seq)
    }

    /// The user types in this room: call it for each keystroke, and leave the rest to the client. The
    /// others hear of it when it begins, and that it is over after 3 s without a call or with the
    /// message. Returns at once and never fails: where nobody is to hear of it (offline, after the
    /// close, a room that the user is not in or that has too many members), nothing happens.
    public func typing() {
        client.typing(room: id)
    }

    /// The ids of those who type in this room, the user excepted: at first as it is, then each newer
    /// state. Nobody in a room that is not watched or has too many members. From memory. The loop
    /// throws `InvalidId` if the room's id is none.
    public var typists: Latest<[String]> {
        Latest(
            events: { [client, gate] in ClientEvents.begin(client, gate) },
            concerns: { [id] in if case .typingChanged(id, _) = $0 { true } else { false } },
            read: { [client, gate, id] in
                try gate.pass()
                return try await client.typists(room: id)
            })
    }

    /// Queues a failed message again. Goes on if the task is cancelled. Waits for the disk.
    ///
    /// - Parameter message: its id.
    /// - Throws: `InvalidId`, `UnknownMessage`, `Closed`, `Internal`, and those of the store.
    public func retry(_ message: String) async throws {
        try gate.pass()
        try await client.retry(room: id, message: message)
    }

    /// Takes a failed message out of the outbox: those behind it go on. Goes on if the task is
    /// cancelled. Waits for the disk.
    ///
    /// - Parameter message: its id.
    /// - Throws: as ``retry(_:)``.
    public func discard(_ message: String) async throws {
        try gate.pass()
        try await client.discard(room: id, message: message)
    }

    /// Why what is shown of this room is or is not all, and new: what is missing, and what it waits
    /// for. From memory, also while the app is suspended.
    ///
    /// - Throws: `InvalidId`, `UnknownRoom`, `Closed`, `Internal`, and those of the store.
    public func why() async throws -> Why {
        try gate.pass()
        return try await client.whyRoom(room: id)
    }

    /// Why a message of this room is in the state that it is in. From memory if it is in the outbox
    /// or in an open timeline, also while the app is suspended; else waits for the disk.
    ///
    /// - Parameter message: its id.
    /// - Throws: `InvalidId`, `UnknownMessage`, `Suspended`, `Closed`, `Internal`, and those of the
    ///   store.
    public func why(_ message: String) async throws -> Why {
        try gate.pass()
        return try await client.whyMessage(room: id, message: message)
    }

    /// Opens a timeline at the newest messages. Waits for the disk.
    ///
    /// - Throws: `InvalidId`, `UnknownRoom`, `Closed`, `Internal`, and those of the store.
    public func timeline() async throws -> Timeline {
        try gate.pass()
        return Timeline(try await client.openTimeline(room: id), gate: gate)
    }
}
