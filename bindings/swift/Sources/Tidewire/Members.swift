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

    /// Invites: adds members. Only owners of groups may. Goes on if the task is cancelled. Waits for
    /// the network.
    ///
    /// - Parameter users: their ids, at most 100 at once.
    /// - Throws: as ``members(after:)``, and those of the store.
    public func addMembers(_ users: [String]) async throws {
        try gate.pass()
        try await client.addMembers(room: id, users: users)
    }

    /// Removes a member. Only owners may. Else as ``addMembers(_:)``.
    ///
    /// - Parameter user: the member's id.
    /// - Throws: as ``addMembers(_:)``.
    public func removeMember(_ user: String) async throws {
        try gate.pass()
        try await client.removeMember(room: id, user: user)
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
