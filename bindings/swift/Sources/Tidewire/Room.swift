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

    /// The same with options: what becomes of those behind it if it fails, and how long there is time to
    /// send it.
    @discardableResult
    public func send(_ message: OutgoingMessage, options: SendOptions) async throws -> String {
        try gate.pass()
        return try await client.sendWith(room: id, message: message, options: options)
    }

    /// Sends a message with files, at most 10; its text may be empty. They are copied first. By the return copies
    /// and message are on disk, and open timelines show it with `outgoing`: how far each upload is. From there on
    /// it arrives exactly once, also after a restart; after a cut only the part that was on its way goes up again.
    /// What is sent after it overtakes it meanwhile, unless the options say `ordered`. Goes on if the task is
    /// cancelled. Waits for the disk, never for the network.
    ///
    /// - Parameters:
    ///   - files: where they are, and what others are told of them.
    ///   - message: the text that goes with them.
    /// - Throws: `FileMissing`, `FileUnusable`, `UploadTooLarge`, and `DiskFull` where there is no room for the
    ///   copies: nothing is kept then. Else as ``send(_:)``.
    @discardableResult
    public func sendFiles(
        _ files: [NewFile], _ message: OutgoingMessage = OutgoingMessage(text: ""),
        options: SendOptions = SendOptions(onFailure: .hold)
    ) async throws -> String {
        try gate.pass()
        return try await client.sendFiles(
            room: id, message: message, files: files, options: options)
    }

    /// Sends a text that quotes another message of this room. As ``send(_:)``; readers see what
    /// is quoted as it is when they look: `replyTo` of the message.
    ///
    /// - Parameters:
    ///   - message: the id of the message that it quotes.
    ///   - text: at most 8 KiB of UTF-8, and not empty.
    /// - Throws: as ``send(_:)``.
    @discardableResult
    public func reply(to message: String, _ text: String) async throws -> String {
        try await send(OutgoingMessage(text: text, replyTo: message))
    }

    /// Sends a text into the thread of another message of this room, which must not stand in a thread
    /// itself. As ``send(_:)``; it makes no row in the room's own timeline, but is counted in
    /// `replies` of the other one. An `OutgoingMessage` with a `thread` does the same.
    ///
    /// - Parameters:
    ///   - root: the id of the message with the thread.
    ///   - text: at most 8 KiB of UTF-8, and not empty.
    /// - Throws: as ``send(_:)``.
    @discardableResult
    public func sendInThread(of root: String, _ text: String) async throws -> String {
        try await send(OutgoingMessage(text: text, thread: root))
    }

    /// Sends an event of the app's own kind: the server carries it without looking into it, and
    /// timelines show it with its `kind` and `contentJson`. As ``send(_:)``.
    ///
    /// - Parameters:
    ///   - kind: 1 to 64 bytes, not one that starts with `room.` or `member.`.
    ///   - contentJson: its content: at most 32 KiB of JSON.
    /// - Throws: as ``send(_:)``; `InvalidMessage` also for what is no JSON, and for such a kind.
    @discardableResult
    public func sendAs(_ kind: String, contentJson: String) async throws -> String {
        try gate.pass()
        return try await client.sendAs(room: id, kind: kind, contentJson: contentJson)
    }

    /// Has a message of the user's say something else. Shows at once; on disk when this returns, from
    /// there on it arrives exactly once. A message that was never sent is changed where it waits. What
    /// it quotes and its thread stay what they were. If the server refuses the edit, the message is
    /// again what it was, and `sendFailed` among the events says so. Goes on if the task is cancelled.
    /// Waits for the disk, never for the network.
    ///
    /// - Parameters:
    ///   - message: its id.
    ///   - text: what it says from now on.
    /// - Throws: `NotYours` and `MessageDeleted`, where the message is on this device, else the server
    ///   judges; `UnknownMessage` for what is no message; else as ``send(_:)``.
    public func edit(_ message: String, _ text: String) async throws {
        try await edit(message, OutgoingMessage(text: text))
    }

    /// The same with mentions or with data of the app's own.
    public func edit(_ message: String, _ content: OutgoingMessage) async throws {
        try gate.pass()
        try await client.edit(room: id, id: message, message: content)
    }

    /// Deletes a message: the user's own, or in a group that the user owns anybody's. One that was
    /// never sent is discarded. Else as ``edit(_:_:)``.
    ///
    /// - Parameter message: its id.
    /// - Throws: as ``edit(_:_:)``.
    public func delete(_ message: String) async throws {
        try gate.pass()
        try await client.delete(room: id, id: message)
    }

    /// Puts a mark on a message. Nothing changes if the user has it there already. Else as
    /// ``edit(_:_:)``.
    ///
    /// - Parameters:
    ///   - key: the mark, as a rule an emoji: 1 to 64 bytes.
    ///   - message: the message's id.
    /// - Throws: as ``edit(_:_:)``, but for `NotYours`.
    public func react(_ key: String, to message: String) async throws {
        try gate.pass()
        try await client.react(room: id, id: message, key: key)
    }

    /// Takes the user's mark away again. As ``react(_:to:)``.
    ///
    /// - Parameters:
    ///   - key: the mark.
    ///   - message: the message's id.
    /// - Throws: as ``react(_:to:)``.
    public func unreact(_ key: String, to message: String) async throws {
        try gate.pass()
        try await client.unreact(room: id, id: message, key: key)
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

    /// Takes a message of the user's back, however far it is. One that was never sent is gone, as if it
    /// had never been written. One that may have arrived is deleted. Goes on if the task is cancelled.
    /// Waits for the disk, never for the network.
    ///
    /// - Parameter message: its id.
    /// - Throws: `UnknownMessage` for what is no message and may have been sent; else as
    ///   ``delete(_:)``.
    public func cancel(_ message: String) async throws {
        try gate.pass()
        try await client.cancel(room: id, message: message)
    }

    /// Queues a failed message again, with all the time there is. Goes on if the task is cancelled. Waits for the disk.
    ///
    /// - Parameter message: its id.
    /// - Throws: `InvalidId`, `UnknownMessage`, `Closed`, `Internal`, and those of the store.
    public func retry(_ message: String) async throws {
        try gate.pass()
        try await client.retry(room: id, message: message)
    }

    /// Takes a failed message out of the outbox, and what was to change it: those behind it go on.
    /// Goes on if the task is cancelled. Waits for the disk.
    ///
    /// - Parameter message: its id.
    /// - Throws: as ``retry(_:)``.
    public func discard(_ message: String) async throws {
        try gate.pass()
        try await client.discard(room: id, message: message)
    }

    /// Keeps what the user has begun to write here, at most 32 KiB; `nil` or an empty text forgets it.
    /// It is on disk when this returns, survives everything but the account's end, stays on this
    /// device and shows in lists of rooms. Sending does not clear it. Goes on if the task is cancelled.
    /// Waits for the disk.
    ///
    /// - Parameter text: what was written so far.
    /// - Throws: `InvalidMessage` if it is too long; `InvalidId`, `UnknownRoom`, `Suspended`, `Closed`,
    ///   `Internal`, and those of the store.
    public func setDraft(_ text: String?) async throws {
        try gate.pass()
        try await client.setDraft(room: id, text: text)
    }

    /// What the user has begun to write here: from memory.
    ///
    /// - Throws: `InvalidId`, `Closed`, `Internal`, and those of the store.
    public func draft() async throws -> String? {
        try gate.pass()
        return try await client.draft(room: id)
    }

    /// Sets what holds for this room on all of the user's devices. It is on disk and shows when this
    /// returns; the server is told as soon as there is a network. Of several wishes the newest counts,
    /// also against what another device has set before the server hears of it. Goes on if the task is
    /// cancelled. Waits for the disk.
    ///
    /// - Parameter settings: muted, pinned, archived.
    /// - Throws: `InvalidId`, `UnknownRoom`, `NotAMember`, `Suspended`, `Closed`, `Internal`, and those
    ///   of the store.
    public func setSettings(_ settings: RoomSettings) async throws {
        try gate.pass()
        try await client.setRoomSettings(room: id, settings: settings)
    }

    /// Mutes the room, or ends that: its messages do not count for ``TidewireClient/unreadTotal`` any
    /// more, mentions do. As ``setSettings(_:)``, and what else is set stays.
    ///
    /// - Parameter muted: whether it is muted from now on.
    /// - Throws: as ``setSettings(_:)``.
    public func mute(_ muted: Bool = true) async throws {
        try gate.pass()
        try await client.mute(room: id, muted: muted)
    }

    /// Pins the room above all that are not, or ends that. As ``mute(_:)``.
    ///
    /// - Parameter pinned: whether it is pinned from now on.
    /// - Throws: as ``setSettings(_:)``.
    public func pin(_ pinned: Bool = true) async throws {
        try gate.pass()
        try await client.pin(room: id, pinned: pinned)
    }

    /// Puts the room away, or brings it back: archived ones are in no list that does not ask for them,
    /// and do not count for ``TidewireClient/unreadTotal``. As ``mute(_:)``.
    ///
    /// - Parameter archived: whether it is archived from now on.
    /// - Throws: as ``setSettings(_:)``.
    public func archive(_ archived: Bool = true) async throws {
        try gate.pass()
        try await client.archive(room: id, archived: archived)
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

    /// Opens a timeline: from memory or disk if what is there is held; else waits for the network.
    /// Timelines at the newest share what they show; any other is at a place of its own.
    ///
    /// - Parameter start: where; at the newest messages unless told.
    /// - Throws: `InvalidId`, `UnknownRoom`; `UnknownMessage` if the room has no such message; `Offline`
    ///   or `Network` if what is there is not on this device; `Refused`, `Closed`, `Internal`, and those
    ///   of the store; `CancellationError` if the task is cancelled.
    public func timeline(at start: TimelineStart = .newest) async throws -> Timeline {
        try gate.pass()
        let source = try await cancellable {
            try await client.openTimeline(room: id, start: start, cancel: $0)
        }
        return Timeline(source, gate: gate)
    }

    /// Opens a timeline of a message and what stands in its thread: the message first, then the newest
    /// page of the replies. It follows the newest replies as a room's timeline does. From memory or disk
    /// as far as they are there; what is missing is fetched and comes as an update.
    ///
    /// - Parameter root: the message's id.
    /// - Throws: as ``timeline(at:)``.
    public func thread(of root: String) async throws -> Timeline {
        try gate.pass()
        let source = try await cancellable {
            try await client.openThread(room: id, root: root, cancel: $0)
        }
        return Timeline(source, gate: gate)
    }
}
