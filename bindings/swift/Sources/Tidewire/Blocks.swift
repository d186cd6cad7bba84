import TidewireFFI

extension TidewireClient {
    /// Blocks somebody. Shows at once, also without a network and after a restart; the server is told as soon as there
    /// is a network, and tells the user's other devices. Of several wishes the newest counts.
    ///
    /// In the direct room of the two nothing is written any more, by neither: what the blocked one sends fails with
    /// the code `blocked`, which does not say why, what this user sends with `unblock_first`. The blocked one can
    /// neither begin a direct room with the user nor add him to a group, and neither hears of the other whether he is
    /// here or types. In groups that both are in everything goes on: `blocked` of a message marks what the blocked one
    /// says, so that an app shows it folded away. What is unread counts it, and so do mentions. Goes on if the task is
    /// cancelled. Waits for the disk only.
    ///
    /// - Parameter user: the user's id.
    /// - Throws: `InvalidBlock`, `InvalidId`, `Suspended`, `Closed`, `Internal`, and those of the store.
    public func block(_ user: String) async throws {
        try gate.pass()
        try await client.block(user: user)
    }

    /// Ends that, in the same way. For somebody who is not blocked it does nothing.
    ///
    /// - Parameter user: the user's id.
    /// - Throws: as ``block(_:)``.
    public func unblock(_ user: String) async throws {
        try gate.pass()
        try await client.unblock(user: user)
    }

    /// Whom the user has blocked, by user id: at first as it is, then each newer state. From memory, with what the
    /// server does not know yet.
    public var blocked: Latest<[String]> {
        Latest(
            events: { [client, gate] in ClientEvents.begin(client, gate) },
            concerns: { if case .blockedChanged = $0 { true } else { false } },
            read: { [client, gate] in
                try gate.pass()
                return try await client.blocked()
            })
    }
}
