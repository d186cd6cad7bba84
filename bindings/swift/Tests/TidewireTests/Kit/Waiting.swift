import Foundation
import Testing

@testable import Tidewire

/// How long a test waits for what has to happen. Far more than it takes, also on a busy machine:
/// the longest delay between two attempts of the client is 25 s.
let patience: TimeInterval = 120

/// Runs `body`, which has to end within the patience of a test. One that hangs is left behind, also
/// if it does not hear that it is cancelled: then the test fails and says what it waited for.
func within<Value: Sendable>(
    _ what: String,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let work = Task { try await body() }
    let isOver = Locked(false)
    return try await withCheckedThrowingContinuation { continuation in
        let end: @Sendable (Result<Value, any Error>) -> Void = { result in
            let isFirst = isOver.withLock { over in
                defer { over = true }
                return !over
            }
            if isFirst { continuation.resume(with: result) }
        }
        let clock = Task {
            try await Task.sleep(nanoseconds: UInt64(patience * 1e9))
            end(.failure(Trouble("not within \(Int(patience)) s: \(what)")))
            work.cancel()
        }
        Task {
            end(await work.result)
            clock.cancel()
        }
    }
}

/// The first element that fits.
func first<Elements: AsyncSequence & Sendable>(
    _ what: String,
    in elements: Elements,
    where fits: @escaping @Sendable (Elements.Element) async throws -> Bool
) async throws -> Elements.Element where Elements.Element: Sendable {
    let last = Locked<Elements.Element?>(nil)
    do {
        return try await within(what) {
            for try await element in elements {
                last.withLock { $0 = element }
                if try await fits(element) { return element }
            }
            throw Trouble("the sequence ended before: \(what)")
        }
    } catch let trouble as Trouble {
        let seen = last.withLock { $0.map { "\($0)" } ?? "nothing" }
        throw Trouble("\(trouble.description); last seen: \(seen)")
    }
}

extension Timeline {
    /// The rows, as soon as they are as they should be.
    @discardableResult
    func rows(
        _ what: String,
        where fits: @escaping @Sendable ([TimelineRow]) -> Bool
    ) async throws -> [TimelineRow] {
        try await first(what, in: rows, where: fits)
    }

    /// A message, as soon as it is as it should be.
    @discardableResult
    func message(
        _ id: String,
        _ what: String,
        where fits: @escaping @Sendable (Message) -> Bool
    ) async throws -> Message {
        let rows = try await rows(what) { $0.messages.contains { $0.id == id && fits($0) } }
        return rows.messages.first { $0.id == id }!
    }

    /// The texts, as soon as there are so many, all of them sent.
    func texts(_ count: Int) async throws -> [String] {
        try await rows("\(count) sent texts") { rows in
            rows.texts.count >= count && rows.messages.allSatisfy { $0.state.isSent }
        }.texts
    }
}

extension RoomList {
    /// The window, as soon as it is as it should be.
    @discardableResult
    func rows(
        _ what: String,
        where fits: @escaping @Sendable (RoomListState) -> Bool
    ) async throws -> RoomListState {
        try await first(what, in: rows, where: fits)
    }

    /// Waits until the list is these rooms, in this order.
    func shows(_ rooms: [Room]) async throws {
        let ids = rooms.map(\.id)
        try await rows("\(ids)") { $0.rows.map(\.room) == ids }
    }

    /// A room's row, as soon as it is as it should be.
    @discardableResult
    func row(
        _ room: Room,
        _ what: String,
        where fits: @escaping @Sendable (RoomListRow) -> Bool
    ) async throws -> RoomListRow {
        let id = room.id
        let state = try await rows(what) { $0.rows.contains { $0.room == id && fits($0) } }
        return state.rows.first { $0.room == id }!
    }
}

extension [TimelineRow] {
    var messages: [Message] { compactMap(\.message) }

    /// The texts of all messages, oldest first.
    var texts: [String] { messages.compactMap(\.text) }
}

/// Whether `body` fails with this very error.
func fails(
    with expected: TidewireError,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("did not throw \(expected)", sourceLocation: sourceLocation)
    } catch {
        #expect(error as? TidewireError == expected, sourceLocation: sourceLocation)
    }
}
