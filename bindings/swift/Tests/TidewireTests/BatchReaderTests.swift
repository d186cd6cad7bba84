import Foundation
import Testing
import TidewireFFI

@testable import Tidewire

/// The reader by itself, over a source whose answers come when the test says so.
struct BatchReaderTests {
    @Test func aBatchCountsAsReadOnceItWasHandedOver() async throws {
        let source = ScriptedSource()
        let reader = BatchReader(source, gate: Gate())
        for number in 1...3 as ClosedRange<UInt64> {
            async let batch = reader.next { $0.number }
            let call = await source.nextCall()
            #expect(call.after == number - 1)
            call.answer(.success(EventBatch(number: number, events: [], missed: 0)))
            #expect(try await batch == number)
        }
    }

    @Test func aCancelledReaderHasReadNothing() async throws {
        let source = ScriptedSource()
        let reader = BatchReader(source, gate: Gate())
        let reading = Task { try await reader.next { $0.number } }
        let call = await source.nextCall()
        reading.cancel()
        call.answer(.failure(TidewireError.Cancelled))
        #expect(try await reading.value == nil)
        let again = Task { try await reader.next { $0.number } }
        let second = await source.nextCall()
        #expect(second.after == 0)
        second.answer(.failure(TidewireError.Closed))
        #expect(try await again.value == nil)
    }

    @Test func aBatchThatMeetsTheCancellationIsHandedOverOrComesAgain() async throws {
        let source = ScriptedSource()
        let reader = BatchReader(source, gate: Gate())
        var read: UInt64 = 0
        for _ in 0..<200 {
            let reading = Task { try await reader.next { $0.number } }
            let call = await source.nextCall()
            #expect(call.after == read, "what was handed over, neither more nor less")
            reading.cancel()
            call.answer(.success(EventBatch(number: call.after + 1, events: [], missed: 0)))
            if let number = try await reading.value { read = number }
        }
    }

    @Test func theNextReaderWaitsForTheEndOfACancelledOne() async throws {
        let source = ScriptedSource()
        let reader = BatchReader(source, gate: Gate())
        for _ in 0..<100 {
            let first = Task { try await reader.next { $0.number } }
            let call = await source.nextCall()
            first.cancel()
            let second = Task { try await reader.next { $0.number } }
            // The batch goes to either of them, and to one only.
            call.answer(.success(EventBatch(number: call.after + 1, events: [], missed: 0)))
            let mine = try await first.value
            let other = await source.nextCall()
            #expect(other.after == mine ?? call.after)
            other.answer(.success(EventBatch(number: other.after + 1, events: [], missed: 0)))
            #expect(try await second.value == other.after + 1)
        }
    }

    @Test func aReaderThatIsCancelledAsItBeginsNeverStandsInTheWayOfTheNext() async throws {
        let reader = BatchReader(SlowSource(), gate: Gate())
        for round in 0..<5_000 {
            let first = Task { try await reader.next { $0.number } }
            // The moment of the cancellation is what is different in each round.
            for _ in 0..<round % 100 { await Task.yield() }
            first.cancel()
            let second = Task { try await reader.next { $0.number } }
            #expect(try await second.value != nil)
            _ = try await first.value
        }
    }

    @Test func aSecondReaderIsRefusedAndTheFirstGoesOn() async throws {
        let source = ScriptedSource()
        let reader = BatchReader(source, gate: Gate())
        async let batch = reader.next { $0.number }
        let call = await source.nextCall()
        await fails(with: .AlreadyWaiting) { _ = try await reader.next { $0.number } }
        call.answer(.success(EventBatch(number: 7, events: [], missed: 0)))
        #expect(try await batch == 7)
    }

    @Test func anErrorLetsTheNextReaderTry() async throws {
        let source = ScriptedSource()
        let reader = BatchReader(source, gate: Gate())
        let reading = Task { try await reader.next { $0.number } }
        await source.nextCall().answer(.failure(TidewireError.Internal(reason: "on purpose")))
        await fails(with: .Internal(reason: "on purpose")) { _ = try await reading.value }
        async let batch = reader.next { $0.number }
        let call = await source.nextCall()
        call.answer(.success(EventBatch(number: 1, events: [], missed: 0)))
        #expect(try await batch == 1)
    }
}

/// A source that answers by itself, in a moment.
private struct SlowSource: BatchSource {
    func next(after: UInt64, cancel: CancelToken?) async throws -> EventBatch {
        for _ in 0..<50 { await Task.yield() }
        return EventBatch(number: after + 1, events: [], missed: 0)
    }
}

/// A source that answers when it is told to, whether or not the call was cancelled.
private struct ScriptedSource: BatchSource {
    struct Call: Sendable {
        let after: UInt64
        let continuation: CheckedContinuation<EventBatch, any Error>

        func answer(_ result: Result<EventBatch, any Error>) {
            continuation.resume(with: result)
        }
    }

    private let calls = AsyncStream.makeStream(of: Call.self)

    func next(after: UInt64, cancel: CancelToken?) async throws -> EventBatch {
        try await withCheckedThrowingContinuation {
            calls.continuation.yield(Call(after: after, continuation: $0))
        }
    }

    /// Waits for a call.
    func nextCall() async -> Call {
        for await call in calls.stream { return call }
        preconditionFailure("the stream never ends")
    }
}
