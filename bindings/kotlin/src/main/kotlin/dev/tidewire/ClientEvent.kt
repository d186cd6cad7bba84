package dev.tidewire

/** What a client tells of itself, besides its mode and its timelines. */
public sealed interface ClientEvent {
    /**
     * Some room of the list changed: ask for [TidewireClient.rooms] when it matters. A [RoomList]
     * tells what changed.
     */
    public data object RoomsChanged : ClientEvent

    /** What is unread of all rooms is another number, at most every 100 ms: see [TidewireClient.unreadTotal]. */
    public data class UnreadTotalChanged(val total: Unread) : ClientEvent

    /**
     * The profiles of these [users], by their ids, are others than before, or known for the first time:
     * see [TidewireClient.profiles].
     */
    public data class ProfilesChanged(val users: List<String>) : ClientEvent

    /** Whom the user has blocked now: all of these [users], by their ids. See [TidewireClient.blocked]. */
    public data class BlockedChanged(val users: List<String>) : ClientEvent

    /**
     * Where these users stand now, of those whose place has changed: members of watched rooms. See
     * [TidewireClient.presence].
     */
    public data class PresenceChanged(val changes: Map<String, Presence>) : ClientEvent

    /** All who type in [room] now, the user excepted; empty when nobody does any more. */
    public data class TypingChanged(
        val room: String,
        val users: List<String>,
    ) : ClientEvent

    /**
     * No token is to be had, or the server takes none of them: sends wait, reading stops. Told
     * again after each attempt, which the client makes by itself with growing delays.
     */
    public data class AuthRequired(val reason: String) : ClientEvent

    /** The token belongs to [tokenUser]: nothing is read or sent with it. */
    public data class WrongUser(val tokenUser: String) : ClientEvent

    /** The store failed: reading stops until it works again. What was shown is still true. */
    public data class StoreFailed(val reason: String) : ClientEvent

    /** The store works again. */
    public data object StoreRecovered : ClientEvent

    /** Something on disk was damaged. What is told here has been done; nothing is left to do. */
    public data class Repaired(val repair: Repair) : ClientEvent

    /**
     * The server refused what was sent to [room]. The message [id] stays in the outbox as failed, and
     * its timeline says so too. If there is a [target], what was refused was an edit, a deletion or a
     * reaction of that message: it is given up, and shows no more.
     */
    public data class SendFailed(
        val room: String,
        val id: String,
        val target: String?,
        val reason: FailReason,
    ) : ClientEvent

    /** The collector was so slow that [count] events were dropped: look at everything anew. */
    public data class Missed(val count: Long) : ClientEvent
}
