import TidewireFFI

extension TidewireClient {
    /// Looks for messages: the newest first. On the `.device` it waits for the disk only. `.everywhere`
    /// it asks the server too, unless all there is is here already; then it waits for the network.
    /// Without one it gives what is here, and `complete` says that this is not everything.
    ///
    /// A text is found by its words, whatever their case and accents; where a script has no spaces
    /// between words, by any part; emoji are words. All words have to be in a message; the last one may
    /// be the beginning of a word, from two letters on. There are no operators.
    ///
    /// - Parameters:
    ///   - text: what somebody has typed: at most 512 bytes, with at least one letter, digit or emoji.
    ///   - scope: where to look.
    ///   - room: only in the room with this id.
    ///   - sender: only what this user has said.
    ///   - limit: how many at most, 1 to 50 (20).
    ///   - next: the `next` of the page before.
    /// - Throws: `InvalidSearch`, `InvalidId`, `UnknownRoom`, `Refused`, `Closed`, `Internal`, and those
    ///   of the store; for a page that goes on with what the server found also `Offline`, `Network`,
    ///   `AuthRequired`; `CancellationError` if the task is cancelled.
    public func search(
        _ text: String,
        scope: SearchScope = .device,
        in room: String? = nil,
        from sender: String? = nil,
        limit: UInt32? = nil,
        after next: String? = nil
    ) async throws -> SearchPage {
        try gate.pass()
        let query = SearchQuery(
            text: text, scope: scope, room: room, sender: sender, limit: limit, after: next)
        return try await cancellable { try await client.search(query: query, cancel: $0) }
    }

    /// What users show of themselves: at first as it was last seen, then each newer state. Those that
    /// are older than `cacheTtlMs` are given at once too, and fetched. All that is asked for at once is
    /// one request for each 100 users, whoever asks: so each row of a list may ask for its own. Without a
    /// network, and while the app is suspended, a user of whom nothing is known has an empty profile; the
    /// loop goes on, and gives what is missing afterwards.
    ///
    /// - Parameter users: their ids. One that is none makes the loop throw `InvalidId`.
    public func profiles(of users: [String]) -> Latest<[String: Profile]> {
        let asked = Set(users)
        return Latest(
            events: { [client, gate] in ClientEvents.begin(client, gate) },
            concerns: { event in
                guard case .profilesChanged(let changed) = event else { return false }
                return changed.contains(where: asked.contains)
            },
            read: { [client, gate] in
                try gate.pass()
                let told = try await client.profiles(users: users)
                return Dictionary(zip(users, told), uniquingKeysWith: { first, _ in first })
            })
    }

    /// Replaces the user's own profile, and gives it as it is now. Goes on if the task is cancelled.
    /// Waits for the network.
    ///
    /// - Parameter update: what is left out is not shown any more.
    /// - Throws: `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`, `Internal`, and those of the
    ///   store.
    @discardableResult
    public func updateProfile(_ update: ProfileUpdate) async throws -> Profile {
        try gate.pass()
        return try await client.updateProfile(update: update)
    }
}
