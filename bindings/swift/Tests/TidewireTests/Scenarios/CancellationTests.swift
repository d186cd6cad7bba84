import Foundation
import Testing

@testable import Tidewire

struct CancellationTests {
    // scenario: cancelled-next
    @Test func batchesSurviveHundredsOfCancelledIterations() async throws {
        let pair = try await Pair.meet()
        let texts = (1...150).map { "message \($0)" }
        let sending = send(texts, by: pair)
        let seen = Locked(Seen())
        let cancelled = try await cancelIterations(pair, until: texts.count) { timeline in
            for try await batch in timeline.batches { seen.withLock { $0.take(batch) } }
        } count: {
            seen.withLock { $0.rows.texts.count }
        }
        try await sending.value
        let result = seen.withLock { $0 }
        #expect(cancelled >= 300)
        #expect(result.repeated == 0, "no batch was handed over twice")
        #expect(result.rows.texts == texts)
        #expect(result.rows == pair.timeline.shown, "the same as the timeline's own rows")
        try await pair.end()
    }

    // scenario: cancelled-next
    @Test func rowsSurviveHundredsOfCancelledIterations() async throws {
        let pair = try await Pair.meet()
        let texts = (1...150).map { "message \($0)" }
        let sending = send(texts, by: pair)
        let shown = Locked<[String]>([])
        let shrunk = Locked(0)
        let cancelled = try await cancelIterations(pair, until: texts.count) { timeline in
            // What was shown before this iteration began. One that was cancelled may still show what it was given,
            // at any moment later.
            var before = shown.withLock { $0 }
            for try await rows in timeline.rows {
                if !rows.texts.starts(with: before) { shrunk.withLock { $0 += 1 } }
                before = rows.texts
                shown.withLock { if $0.count < before.count { $0 = before } }
            }
        } count: {
            shown.withLock { $0.count }
        }
        try await sending.value
        #expect(cancelled >= 300)
        #expect(shrunk.withLock { $0 } == 0, "what was shown once stays")
        #expect(shown.withLock { $0 } == texts)
        try await pair.end()
    }

    /// One iteration after the other, each cancelled at a random moment, at least 300 of them and
    /// until all texts are there. The next one starts at once: the cancelled one may still be on
    /// its way out. Gives how many were cancelled.
    private func cancelIterations(
        _ pair: Pair,
        until count: Int,
        _ iterate: @escaping @Sendable (Timeline) async throws -> Void,
        count seen: @escaping @Sendable () -> Int
    ) async throws -> Int {
        try await within("\(count) texts in spite of the cancelled iterations") {
            [timeline = pair.timeline] in
            var cancelled = 0
            var last: Task<Void, any Error>?
            while cancelled < 300 || seen() < count {
                let iteration = Task { try await iterate(timeline) }
                // The moment of the cancellation is what is random here.
                try await Task.sleep(nanoseconds: UInt64.random(in: 0...8_000_000))
                iteration.cancel()
                if Bool.random() { try await iteration.value }
                try await last?.value
                last = iteration
                cancelled += 1
            }
            try await last?.value
            return cancelled
        }
    }

    private func send(_ texts: [String], by pair: Pair) -> Task<Void, any Error> {
        Task { for text in texts { try await pair.peer.room(pair.room.id).send(text) } }
    }

    private struct Seen {
        var rows: [TimelineRow] = []
        var numbers: Set<UInt64> = []
        var repeated = 0

        mutating func take(_ batch: TimelineBatch) {
            if !numbers.insert(batch.number).inserted { repeated += 1 }
            batch.update.apply(to: &rows)
        }
    }

    @Test func aLoopThatWasLeftGoesOnWithTheNextBatch() async throws {
        let pair = try await Pair.meet()
        var rows: [TimelineRow] = []
        var numbers: [UInt64] = []
        while rows.texts != ["a", "b"] {
            for try await batch in pair.timeline.batches {
                batch.update.apply(to: &rows)
                numbers.append(batch.number)
                break
            }
            if rows.texts.isEmpty && numbers.count == 1 {
                try await pair.room.send("a")
                try await pair.room.send("b")
            }
        }
        #expect(Set(numbers).count == numbers.count)
        try await pair.end()
    }

    @Test func theEndOfACancelledTaskIsTheEndOfTheLoop() async throws {
        let pair = try await Pair.meet()
        try await pair.timeline.rows("the first rows") { _ in true }
        let (timeline, client) = (pair.timeline, pair.client)
        let loops = [
            Task { for try await _ in timeline.rows {} },
            Task { for try await _ in client.modes {} },
            Task { for try await _ in client.events {} },
        ]
        for loop in loops {
            loop.cancel()
            try await within("the loop ends") { try await loop.value }
        }
        let never = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            var iterator = timeline.batches.makeAsyncIterator()
            return try await iterator.next()
        }
        #expect(try await never.value == nil)
        try await pair.end()
    }

    @Test func aTimelineHasOneReaderAtATime() async throws {
        let pair = try await Pair.meet()
        let timeline = pair.timeline
        try await timeline.rows("the first rows") { _ in true }
        // Nothing arrives, so that each would wait: the later one is refused.
        await withTaskGroup(of: (any Error)?.self) { readers in
            for _ in 0..<2 {
                readers.addTask {
                    do {
                        for try await _ in timeline.batches {}
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            let refused = await readers.next() ?? nil
            #expect(refused as? TidewireError == .AlreadyWaiting)
            readers.cancelAll()
            let cancelled = await readers.next() ?? nil
            #expect(cancelled == nil)
        }
        try await pair.room.send("after")
        #expect(try await timeline.texts(1) == ["after"], "there is a turn again")
        try await pair.end()
    }

    @Test func openingATimelineCanBeCancelledWhileItWaitsForTheNetwork() async throws {
        let pair = try await Pair.meet()
        var ids: [String] = []
        for number in 1...150 { ids.append(try await pair.room.send("message \(number)")) }
        try await pair.timeline.message(ids[149], "all is sent") { $0.state.isSent }
        // A new device has the newest only, and a network on which nothing arrives any more.
        let world = try await World.new()
        let client = try await pair.ada.elsewhere().open(world)
        try await client.knows(pair.room.id)
        let room = client.room(pair.room.id)
        _ = try await room.timeline().rows("the newest") { !$0.isEmpty }
        try await world.delay(ms: 60_000)
        let far = ids[3]
        let calls = [
            Task { _ = try await room.timeline(at: .message(id: far)) },
            Task { _ = try await room.members() },
        ]
        for call in calls {
            call.cancel()
            let result = await call.result
            guard case .failure(let error) = result else { throw Trouble("it did not fail") }
            #expect(error is CancellationError, "\(error)")
        }
        try await client.shutdown()
        try await pair.end()
    }

    // scenario: cancelled-next
    @Test func olderMessagesCanBeCancelledAndAskedForAgain() async throws {
        let pair = try await Pair.meet()
        let texts = (1...120).map { "message \($0)" }
        for text in texts { try await pair.room.send(text) }
        #expect(try await pair.timeline.texts(texts.count) == texts)
        try await pair.client.shutdown()

        // A new device: everything but the newest has to come from the server.
        let device = Person("device")
        let world = try await World.new()
        let settings = Settings(url: world.url, user: pair.ada.name, dataDir: device.folder)
        let user = pair.ada.name
        let client = try await TidewireClient.open(settings) { try await Stage.token(user) }
        try await client.knows(pair.room.id)
        let timeline = try await client.room(pair.room.id).timeline()
        try await timeline.rows("the newest") { $0.texts.last == texts.last }
        #expect(timeline.hasOlder)
        for _ in 0..<20 {
            let given = Task { try await timeline.loadOlder(1) }
            given.cancel()
            if case .failure(let error) = await given.result {
                #expect(error is CancellationError, "\(error)")
            }
        }
        while try await timeline.loadOlder(40).more {}
        try await timeline.rows("all of them") { $0.texts == texts }
        try await client.shutdown()
        try await pair.peer.shutdown()
    }
}
