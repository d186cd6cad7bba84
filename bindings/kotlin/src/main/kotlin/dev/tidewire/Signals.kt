package dev.tidewire

/** Where the app stands in its lifecycle, for [TidewireClient.setAppState]. */
public enum class AppState {
    /** Somebody looks at it. */
    FOREGROUND,

    /** It still runs, nobody looks. */
    BACKGROUND,

    /** It is about to be frozen by the system: no timer, no socket. */
    SUSPENDED,
}

/** A kind of link. */
public enum class NetworkKind {
    /** There is none. */
    NONE,

    /** 2G: a round trip takes about a second, and the radio is the battery. */
    CELLULAR_2G,

    /** 3G or better. */
    CELLULAR,

    /** Wi-Fi. */
    WIFI,

    /** A cable, or whatever the platform does not tell. */
    OTHER,
}

/**
 * What the platform says of the network, for [TidewireClient.setNetwork].
 *
 * @property kind what kind of link there is.
 * @property metered whether the user pays by the byte.
 * @property constrained whether the user asked the system to save data.
 */
public data class Network(
    val kind: NetworkKind,
    val metered: Boolean = false,
    val constrained: Boolean = false,
)
