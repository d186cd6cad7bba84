package dev.tidewire

/**
 * Why something is as it is.
 *
 * @property facts first what is, then what it follows from.
 * @property sentence the same for people, in one English sentence. Holds no text of a message.
 */
public data class Why(
    val facts: List<Fact>,
    val sentence: String,
)

/** One fact. "In" counts from now on, "for" and "ago" back from now. */
public sealed interface Fact {
    /**
     * The mode, and the signal that bound it.
     *
     * @property mode the mode.
     * @property reason what bound it.
     */
    public data class Mode(
        val mode: dev.tidewire.Mode,
        val reason: ModeReason,
    ) : Fact

    /**
     * How far a message is.
     *
     * @property state its state, as timelines show it.
     */
    public data class Message(val state: MessageState) : Fact

    /**
     * What is shown of a room, or would be.
     *
     * @property complete whether nothing is missing up to the newest event that is known to exist.
     * @property fresh whether it is as new as the mode promises: pushed, live, or read within an
     *   interval.
     */
    public data class Room(
        val complete: Boolean,
        val fresh: Boolean,
    ) : Fact

    /**
     * A signal, and the highest mode that it allows.
     *
     * @property signal which signal.
     * @property allows the highest mode that it allows.
     * @property binds whether this is the one that binds: the lowest, and the first of those.
     * @property forMs for how long it has allowed no more and no less, in ms.
     * @property liftedBy what would raise it.
     */
    public data class Ceiling(
        val signal: ModeReason,
        val allows: dev.tidewire.Mode,
        val binds: Boolean,
        val forMs: Long,
        val liftedBy: Lift,
    ) : Fact

    /**
     * Audience or policy ask for another mode; this client's moment to follow is still to come.
     *
     * @property towards the mode that they ask for.
     * @property inMs when the moment comes, in ms.
     */
    public data class Spread(
        val towards: dev.tidewire.Mode,
        val inMs: Long,
    ) : Fact

    /**
     * The crowd has turned around: until then its ceiling does not rise.
     *
     * @property inMs when it may rise, in ms.
     */
    public data class Dwell(val inMs: Long) : Fact

    /**
     * The app has just gone into the background: until then the socket is kept.
     *
     * @property inMs when it goes, in ms.
     */
    public data class Grace(val inMs: Long) : Fact

    /** The app said that it is suspended: nothing is read or sent. */
    public data object Suspended : Fact

    /**
     * There is no token that may be used.
     *
     * @property stage how far the way to one is.
     * @property retryInMs when the app is asked again, if that is planned, in ms.
     */
    public data class Token(
        val stage: TokenStage,
        val retryInMs: Long?,
    ) : Fact

    /**
     * The store can not be relied on now.
     *
     * @property stage what it is doing.
     * @property retryInMs when it is tried again, if that is planned, in ms.
     */
    public data class Store(
        val stage: StoreStage,
        val retryInMs: Long?,
    ) : Fact

    /** There is no position in the feed yet: the list of rooms is fetched first. */
    public data object NoPosition : Fact

    /**
     * The socket.
     *
     * @property stage how far it is.
     * @property pushes whether the feed is pushed over it.
     */
    public data class Socket(
        val stage: SocketStage,
        val pushes: Boolean,
    ) : Fact

    /**
     * The server gave a slot: until then it is not asked.
     *
     * @property way what waits.
     * @property inMs when it comes, in ms.
     */
    public data class Slot(
        val way: Way,
        val inMs: Long,
    ) : Fact

    /**
     * After failures, until then nothing is tried.
     *
     * @property way what waits.
     * @property failures failures in a row.
     * @property inMs when it is tried again, in ms.
     */
    public data class Backoff(
        val way: Way,
        val failures: Long,
        val inMs: Long,
    ) : Fact

    /**
     * The budget has nothing left for reads by the client's own decision.
     *
     * @property inMs when there is something again; none where only an act of the app or its user
     *   brings it, in ms.
     */
    public data class HeldBack(val inMs: Long?) : Fact

    /**
     * Where an operation stands in its room's outbox.
     *
     * @property position 1 for the next to go.
     * @property ahead the one right before it.
     */
    public data class Queue(
        val position: Long,
        val ahead: String?,
    ) : Fact

    /** It is being written to the disk: it goes out after that. */
    public data object Writing : Fact

    /**
     * It waits for this one of the same room, which has failed.
     *
     * @property id that one.
     */
    public data class WaitsFor(val id: String) : Fact

    /**
     * It is on its way; the answer is awaited.
     *
     * @property vehicle what carries it.
     * @property forMs since when, in ms.
     */
    public data class InFlight(
        val vehicle: Vehicle,
        val forMs: Long,
    ) : Fact

    /**
     * One before it is on its way: a room has one request in flight.
     *
     * @property forMs since when, in ms.
     */
    public data class BehindFlight(val forMs: Long) : Fact

    /**
     * When it was queued, by the device's clock.
     *
     * @property msAgo how long ago; 0 if the clock went back, in ms.
     */
    public data class Queued(val msAgo: Long) : Fact

    /**
     * When it first went out, by the server's clock as far as it was told.
     *
     * @property msAgo how long ago; 0 if the clock went back, in ms.
     */
    public data class FirstSent(val msAgo: Long) : Fact

    /**
     * The server's "no".
     *
     * @property code its code.
     * @property message what it says of it.
     */
    public data class Refused(
        val code: String,
        val message: String,
    ) : Fact

    /** It was first sent longer ago than the server remembers ids. */
    public data object TooOld : Fact

    /** It was to be sent within a time that is over. */
    public data object Expired : Fact

    /**
     * The app gave it a time to be sent in.
     *
     * @property inMs what is left of that, in ms.
     */
    public data class Expires(val inMs: Long) : Fact

    /**
     * It is in the log.
     *
     * @property seq its place in the room.
     */
    public data class InLog(val seq: Long) : Fact

    /**
     * Somebody else's: its state goes no further than [MessageState.Sent].
     *
     * @property sender whose.
     */
    public data class FromOther(val sender: String) : Fact

    /**
     * How far the other members are with it.
     *
     * @property delivered those who have it; those who read it among them.
     * @property read those who have read it.
     * @property of how many others there are.
     */
    public data class Receipts(
        val delivered: Long,
        val read: Long,
        val of: Long,
    ) : Fact

    /** There is nobody else in the room. */
    public data object Alone : Fact

    /**
     * In rooms of this size nobody sees how far the others are.
     *
     * @property members as many members as the room has.
     * @property limit as many as it may have.
     */
    public data class AboveReceiptMembers(
        val members: Long,
        val limit: Long,
    ) : Fact

    /** How far the others are is not known yet: the room's state is awaited. */
    public data object ReceiptsAwaited : Fact

    /** The user is no member of the room: nothing of it comes any more. */
    public data object NotJoined : Fact

    /** The room is not open: nothing is fetched for it. */
    public data object NotOpen : Fact

    /**
     * These events exist and are not here: they come when somebody asks for them.
     *
     * @property from the first.
     * @property to the last.
     */
    public data class Gap(
        val from: Long,
        val to: Long,
    ) : Fact

    /**
     * These may have changed on the server since they were read.
     *
     * @property from the first.
     * @property to the last.
     */
    public data class Stale(
        val from: Long,
        val to: Long,
    ) : Fact

    /**
     * The feed has not come to the newest event that is known.
     *
     * @property feedSeq where the feed is.
     * @property headSeq the newest.
     */
    public data class Behind(
        val feedSeq: Long,
        val headSeq: Long,
    ) : Fact

    /** The feed has more than its last page. */
    public data object CatchingUp : Fact

    /** History of the room is being fetched. */
    public data object Fetching : Fact

    /** The feed is pushed. */
    public data object Pushed : Fact

    /** The room is live. */
    public data object Live : Fact

    /**
     * When the feed was last read to its end.
     *
     * @property msAgo how long ago; none if never since the start, in ms.
     */
    public data class LastRead(val msAgo: Long?) : Fact

    /** The feed is being read. */
    public data object Reading : Fact

    /**
     * The next read.
     *
     * @property inMs when, in ms.
     */
    public data class NextRead(val inMs: Long) : Fact
}

/** What would raise a ceiling. */
public sealed interface Lift {
    /** It allows everything. */
    public data object Nothing : Lift

    /** Another network. */
    public data object OtherNetwork : Lift

    /** The app comes to the foreground. */
    public data object Foreground : Lift

    /** The app sets a higher one. */
    public data object App : Lift

    /** A network that is not metered, or the data saver is switched off. */
    public data object DataSaverOff : Lift

    /** The system stops saving power. */
    public data object PowerSavingOff : Lift

    /**
     * The budget has something left again, or is raised.
     *
     * @property inMs when that is, as far as it is known, in ms.
     */
    public data class Budget(val inMs: Long?) : Lift

    /**
     * A socket that works; one is tried.
     *
     * @property inMs when, in ms.
     */
    public data class Socket(val inMs: Long) : Lift

    /**
     * Better answers: then a step up is tried.
     *
     * @property inMs when, in ms.
     */
    public data class Step(val inMs: Long) : Lift

    /** The server's first answer. */
    public data object FirstAnswer : Lift

    /**
     * Fewer users.
     *
     * @property atMost as many or fewer.
     */
    public data class Audience(val atMost: Long) : Lift

    /**
     * The server tells otherwise, or what it told runs out.
     *
     * @property inMs when it runs out, in ms.
     */
    public data class Policy(val inMs: Long) : Lift
}

/** How far the way to a token is. */
public enum class TokenStage {
    /** The app is not asked now. */
    MISSING,

    /** The app has been asked. */
    ASKED,

    /** The app gave none, or the server takes none of those given. */
    FAILED,
}

/** What the store is doing. */
public enum class StoreStage {
    /** What is on disk is being loaded. */
    LOADING,

    /** It failed. */
    FAILED,
}

/** How far the socket is. */
public enum class SocketStage {
    /** It is being opened. */
    OPENING,

    /** It is open, and the server has not greeted yet. */
    GREETING,

    /** It is open. */
    OPEN,
}

/** What waits after a failure, or for a slot. */
public enum class Way {
    /** Requests. */
    REQUESTS,

    /** Sockets. */
    SOCKETS,

    /** Operations of the outbox. */
    SENDS,

    /** History of open rooms. */
    HISTORY,
}

/** What carries operations. */
public enum class Vehicle {
    /** The socket. */
    SOCKET,

    /** A poll of the feed. */
    POLL,

    /** A request of their own. */
    REQUEST,
}
