import TidewireFFI

extension Room {
    /// A page of at most 100 members, by user id. Waits for the network.
    ///
    /// - Parameter next: the `next` of the page before it; `nil` for the first one.
    /// - Throws: `InvalidId`, `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`, `Internal`;
    ///   `CancellationError` if the task is cancelled.
    public func members(after next: String? = nil) async throws -> MemberPage {
        try gate.pass()
        return try await cancellable {
            try await client.members(room: id, after: next, cancel: $0)
        }
    }

    /// How far the other members are with a message, in a room of any size: how many have it and have read
    /// it, and a page of at most 100 receipts by user id. As of now: nothing more is told of it. In rooms of up
    /// to 100 members a message's own `reach` says the same without asking. Waits for the network.
    ///
    /// - Parameters:
    ///   - seq: the message's place in the room.
    ///   - next: the `next` of the page before it; `nil` for the first one.
    /// - Throws: as ``members(after:)``.
    public func receipts(at seq: UInt64, after next: String? = nil) async throws -> ReceiptPage {
        try gate.pass()
        return try await cancellable {
            try await client.receipts(room: id, seq: seq, after: next, cancel: $0)
        }
    }

    /// Invites: adds members; none of them if one is banned. Owners and moderators of groups may. Goes on if
    /// the task is cancelled. Waits for the network.
    ///
    /// - Parameter users: their ids, at most 100 at once.
    /// - Throws: as ``members(after:)``, and those of the store.
    public func addMembers(_ users: [String]) async throws {
        try gate.pass()
        try await client.addMembers(room: id, users: users)
    }

    /// Removes a member, who may be added again. Owners and moderators may, but no moderator removes an owner
    /// or a moderator. Else as ``addMembers(_:)``.
    ///
    /// - Parameter user: the member's id.
    /// - Throws: as ``addMembers(_:)``.
    public func removeMember(_ user: String) async throws {
        try gate.pass()
        try await client.removeMember(room: id, user: user)
    }

    /// Sends a user away, who need not be in the room, and keeps him out until ``unban(_:)``: whoever adds him
    /// hears `Refused` with the code `banned`. Owners and moderators may, but no moderator bans an owner or a
    /// moderator. Else as ``addMembers(_:)``.
    ///
    /// - Parameters:
    ///   - user: the user's id.
    ///   - reason: 1 byte to 1 KiB, for those who keep order alone.
    /// - Throws: as ``addMembers(_:)``.
    public func ban(_ user: String, reason: String? = nil) async throws {
        try gate.pass()
        try await client.ban(room: id, user: user, reason: reason)
    }

    /// Keeps a user out no more: he may be added again. Owners and moderators may. Else as ``addMembers(_:)``.
    ///
    /// - Parameter user: the user's id.
    /// - Throws: as ``addMembers(_:)``.
    public func unban(_ user: String) async throws {
        try gate.pass()
        try await client.unban(room: id, user: user)
    }

    /// A page of at most 100 of those who are kept out, by user id. Owners and moderators may. Waits for the
    /// network.
    ///
    /// - Parameter next: the `next` of the page before it; `nil` for the first one.
    /// - Throws: as ``members(after:)``.
    public func bans(after next: String? = nil) async throws -> BanPage {
        try gate.pass()
        return try await cancellable {
            try await client.bans(room: id, after: next, cancel: $0)
        }
    }

    /// Lets a member only read: what he sends fails as `muted`. Whatever was said last holds. Owners and moderators
    /// may, but no moderator mutes an owner or a moderator. Else as ``addMembers(_:)``. To have no notifications of
    /// the room is ``mute(_:)``.
    ///
    /// - Parameters:
    ///   - user: the member's id.
    ///   - time: for how long, in seconds, at most 366 days; `nil` until ``unmuteMember(_:)``.
    ///   - reason: 1 byte to 1 KiB, for those who keep order alone.
    /// - Throws: as ``addMembers(_:)``.
    public func muteMember(
        _ user: String, for time: Double? = nil, reason: String? = nil
    ) async throws {
        try gate.pass()
        let ms = time.map { milliseconds($0, days: 367) }
        try await client.muteMember(room: id, user: user, forMs: ms, reason: reason)
    }

    /// Lets a member write again. Who may mute may. Else as ``addMembers(_:)``.
    ///
    /// - Parameter user: the member's id.
    /// - Throws: as ``addMembers(_:)``.
    public func unmuteMember(_ user: String) async throws {
        try gate.pass()
        try await client.unmuteMember(room: id, user: user)
    }

    /// A page of at most 100 of those who may only read, by user id. Owners and moderators may. Waits for the
    /// network.
    ///
    /// - Parameter next: the `next` of the page before it; `nil` for the first one.
    /// - Throws: as ``members(after:)``.
    public func mutedMembers(after next: String? = nil) async throws -> MutePage {
        try gate.pass()
        return try await cancellable {
            try await client.mutedMembers(room: id, after: next, cancel: $0)
        }
    }

    /// Says how long a member waits from one message in the room to the next. What is sent earlier waits in the
    /// outbox of that room, in order, and does not fail; edits, deletions and reactions do not count. Owners and
    /// moderators may, and do not wait. Else as ``addMembers(_:)``.
    ///
    /// - Parameter interval: how long, in seconds, at most 6 hours; `nil` ends slow mode.
    /// - Throws: as ``addMembers(_:)``.
    public func setSlowMode(_ interval: Double?) async throws {
        try gate.pass()
        try await client.setSlowMode(room: id, intervalMs: interval.map { milliseconds($0) })
    }

    /// Leaves the room. Else as ``addMembers(_:)``.
    ///
    /// - Throws: as ``addMembers(_:)``.
    public func leave() async throws {
        try gate.pass()
        try await client.leave(room: id)
    }

    /// Gives a member of a group another role. Only owners may, and the last owner stays one. Else as
    /// ``addMembers(_:)``.
    ///
    /// - Parameters:
    ///   - role: what the member may do from now on.
    ///   - user: the member's id.
    /// - Throws: as ``addMembers(_:)``.
    public func setRole(_ role: Role, of user: String) async throws {
        try gate.pass()
        try await client.setRole(room: id, user: user, role: role)
    }

    /// Changes how a group looks, all of it. Only owners may. Else as ``addMembers(_:)``.
    ///
    /// - Parameter update: what is left out the room has not any more.
    /// - Throws: as ``addMembers(_:)``.
    public func update(_ update: RoomUpdate) async throws {
        try gate.pass()
        try await client.updateRoom(room: id, update: update)
    }
}
