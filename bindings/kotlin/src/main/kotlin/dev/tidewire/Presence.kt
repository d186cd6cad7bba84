package dev.tidewire

/** Where another user stands, as far as this client knows. */
public sealed interface Presence {
    /**
     * Not known: the user is in no watched room, nothing was heard of the server for a while, or the
     * app is in the background. Show nothing rather than what was.
     */
    public data object Unknown : Presence

    /** Some device of the user's is in the foreground. */
    public data object Online : Presence

    /** Every device of the user's is in the background. */
    public data object Away : Presence

    /**
     * No device was heard of for 2.5 of the intervals that it declared.
     *
     * @property lastSeenMs the last sign of life, in ms since 1970-01-01 UTC by the server's clock;
     *   null if the server knows of none.
     */
    public data class Offline(val lastSeenMs: Long?) : Presence
}
