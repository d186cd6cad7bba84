import Observation

@testable import Tidewire

/// Waits until a model shows what it should. It looks again only when Observation says that something it
/// has looked at changes: so whatever a model does not tell fails here.
@MainActor
func shows(_ what: String, _ fits: @escaping @MainActor () -> Bool) async throws {
    try await within(what) { @MainActor in
        while true {
            let (changes, change) = AsyncStream<Void>.makeStream()
            let isAsItShould = withObservationTracking {
                fits()
            } onChange: {
                change.finish()
            }
            if isAsItShould { return }
            for await _ in changes {}
            if Task.isCancelled { return }
        }
    }
}
