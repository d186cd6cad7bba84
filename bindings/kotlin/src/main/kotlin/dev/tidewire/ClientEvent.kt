package dev.tidewire

/** What a client tells of itself, besides its mode and its timelines. */
public sealed interface ClientEvent {
    /** Some room of the list changed: ask for [TidewireClient.rooms] when it matters. */
    public data object RoomsChanged : ClientEvent

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

    /** The server refused the message [id] of [room]. Its timeline says so too. */
    public data class SendFailed(
        val room: String,
        val id: String,
        val reason: FailReason,
    ) : ClientEvent

    /** The collector was so slow that [count] events were dropped: look at everything anew. */
    public data class Missed(val count: Long) : ClientEvent
}
