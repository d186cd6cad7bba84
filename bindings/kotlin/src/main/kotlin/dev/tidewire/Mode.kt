package dev.tidewire

/** How the client reads: a schedule, nothing more. No switch loses or repeats anything. */
public enum class Mode {
    /** Nothing is read or sent; everything cached stays readable and sends are queued. */
    OFFLINE,

    /** The server is asked every few seconds. */
    POLLING,

    /** A few rooms are live, the rest is asked for every few seconds. */
    HYBRID,

    /** Everything is pushed as it happens. */
    REAL_TIME,
}

/**
 * The mode and why it is so.
 *
 * @property mode the mode.
 * @property reason the signal that bound it, for the app to act on.
 * @property reasonText the same in English words, for logs and for those who look for a cause.
 */
public data class ModeStatus(
    val mode: Mode,
    val reason: ModeReason,
    val reasonText: String,
)

/** Why the mode is what it is: the signal that bound it. */
public sealed interface ModeReason {
    /** Nothing bound it. */
    public data object Unbound : ModeReason

    /** The number of users online is not known yet: one poll tells it. */
    public data object Starting : ModeReason

    /** The server told that [online] users are online. */
    public data class Audience(val online: Long) : ModeReason

    /** What the server can carry. */
    public data object Policy : ModeReason

    /** The kind of network. */
    public data class Network(val kind: NetworkKind) : ModeReason

    /** The network is metered and the user asked to save data. */
    public data object DataSaver : ModeReason

    /** The app's state. */
    public data class App(val state: AppState) : ModeReason

    /** No socket is to be had on this network. One is tried now and then. */
    public data object SocketsFail : ModeReason

    /** The server's answers take long: [ms] is the third quartile of the last ones. */
    public data class Latency(val ms: Long) : ModeReason

    /** The way to the server broke so many [times] within the last two minutes. */
    public data class Breaks(val times: Long) : ModeReason

    /**
     * Nothing bound it. But sockets fail on this network while HTTP works, so that the feed is pushed
     * over an event stream: reading is as fast as over a socket, sending takes a request each.
     */
    public data object EventStream : ModeReason

    /** The system saves power. */
    public data object LowPower : ModeReason

    /** The ceiling that the app set with [TidewireClient.setModeCeiling]. */
    public data object Ceiling : ModeReason

    /** A socket would cost more than the app's budget has left. */
    public data object Budget : ModeReason
}
