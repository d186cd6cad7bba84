/// Does one thing at a time, and of what is wanted meanwhile only the newest: for what replaces what was
/// before, like a draft or how far the user has read.
@MainActor
final class Newest<Value: Sendable> {
    private let pause: UInt64
    private let act: @Sendable (Value) async -> Void
    private var wanted: Value?
    private var work: Task<Void, Never>?
    private var rest: Task<Void, Never>?
    /// Whether somebody waits, so that there is no pause.
    private var isHurried = false

    /// - Parameters:
    ///   - pause: how long it waits for something newer, in ns.
    ///   - act: does it.
    init(pause: UInt64, _ act: @escaping @Sendable (Value) async -> Void) {
        self.pause = pause
        self.act = act
    }

    /// Has it done, after the pause or once what is being done is. It goes on also if nobody holds this
    /// any more.
    func want(_ value: Value) {
        wanted = value
        guard work == nil else { return }
        work = Task {
            while self.wanted != nil {
                await self.takeRest()
                guard let value = self.wanted else { break }
                self.wanted = nil
                await self.act(value)
            }
            (self.work, self.isHurried) = (nil, false)
        }
    }

    private func takeRest() async {
        guard !isHurried else { return }
        let rest = Task { [pause] in
            // Cancelled, it is over.
            do { try await Task.sleep(nanoseconds: pause) } catch {}
        }
        self.rest = rest
        await rest.value
        self.rest = nil
    }

    /// Has what is wanted done without a pause. Returns at once.
    func hurry() {
        guard work != nil else { return }
        isHurried = true
        rest?.cancel()
    }

    /// Waits until all that is wanted is done.
    func settled() async {
        while let work {
            hurry()
            await work.value
        }
    }
}
