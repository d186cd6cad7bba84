/// A search on the screen: on this device at each letter, and everywhere once the user pauses.
@MainActor
public final class SearchModel: ScreenModel {
    /// How long a pause is, in ns: longer than between two letters of somebody who types.
    private static let pause: UInt64 = 400_000_000

    private let room: String?
    private var next: String?
    /// Where ``hits`` were looked for.
    private var scope: SearchScope = .device

    /// What the user looks for. An empty one finds nothing.
    @Observed public var text = "" {
        didSet { if text != oldValue { look() } }
    }
    /// What was found so far, the newest first.
    @Observed public private(set) var hits: [SearchHit] = []
    /// Whether nothing older can be missing among them.
    @Observed public private(set) var isComplete = true
    /// Whether something is still being looked for.
    @Observed public private(set) var isSearching = false
    /// Whether there is another page: ``loadMore()``.
    @Observed public private(set) var hasMore = false

    private var search: Task<Void, Never>?

    /// - Parameters:
    ///   - client: whose messages.
    ///   - room: only in this room.
    public init(_ client: TidewireClient, in room: String? = nil) {
        self.room = room
        super.init(client)
    }

    deinit {
        search?.cancel()
    }

    override func begin(_ loops: Loops) {
        look()
    }

    override func end() {
        search?.cancel()
        (search, isSearching) = (nil, false)
    }

    /// Looks for the text from the beginning.
    private func look() {
        search?.cancel()
        guard isRunning else { return }
        let text = text
        guard text.contains(where: { !$0.isWhitespace }) else {
            (hits, isComplete, hasMore, next, isSearching) = ([], true, false, nil, false)
            return
        }
        isSearching = true
        let (client, room) = (client, room)
        search = Task { [weak self] in
            do {
                let here = try await client.search(text, in: room)
                guard let self, show(here, of: .device, for: text) else { return }
                if here.complete { return }
            } catch {
                self?.gaveUp(text, error)
                return
            }
            do {
                try await Task.sleep(nanoseconds: Self.pause)
                let all = try await client.search(text, scope: .everywhere, in: room)
                _ = self?.show(all, of: .everywhere, for: text)
            } catch {
                self?.gaveUp(text, error)
            }
        }
    }

    /// Whether it is still what is looked for.
    private func show(_ page: SearchPage, of scope: SearchScope, for text: String) -> Bool {
        guard text == self.text, isRunning, !Task.isCancelled else { return false }
        self.scope = scope
        (hits, isComplete, next, hasMore) = (page.hits, page.complete, page.next, page.next != nil)
        isSearching = scope == .device && !page.complete
        return true
    }

    private func gaveUp(_ text: String, _ error: any Error) {
        guard text == self.text, !Task.isCancelled else { return }
        isSearching = false
        switch error {
        // Half a word may be nothing to search for yet.
        case TidewireError.InvalidSearch: (hits, hasMore, next) = ([], false, nil)
        default: note(error)
        }
    }

    /// Puts the next page behind what was found. Does nothing while something is being looked for. Waits
    /// for the disk, and for the network where the page before it did.
    public func loadMore() async {
        guard let next, !isSearching else { return }
        let (text, scope) = (text, scope)
        isSearching = true
        await attempt {
            let page = try await client.search(
                text, scope: scope, in: room, after: next)
            guard text == self.text else { return }
            (hits, isComplete) = (hits + page.hits, page.complete)
            (self.next, hasMore) = (page.next, page.next != nil)
        }
        if text == self.text { isSearching = false }
    }
}
