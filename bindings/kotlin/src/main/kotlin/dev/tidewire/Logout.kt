package dev.tidewire

/** What [TidewireClient.logout] does about what was not sent yet. */
public enum class Logout {
    /** Nothing is lost: with pending sends the logout is refused. */
    KEEP,

    /** Pending sends are given up. */
    DISCARD,
}
