package dev.tidewire

/**
 * A message or another event of a room.
 *
 * @property id its id, chosen by its sender, the same before and after it is sent.
 * @property room the id of its room.
 * @property sender the id of who sent it.
 * @property seq its place in the room, from 1 on; none while it waits in the outbox.
 * @property atMs when the server took it, or, in the outbox, when it was queued: ms since
 *   1970-01-01 UTC.
 * @property kind what kind of content it has: `message`, `room.created`, `member.joined`,
 *   `member.left`, or a kind of the app's own.
 * @property text the text, if this is a `message`.
 * @property mentions the ids of those whom a `message` mentions.
 * @property metadataJson what the app put into a `message`, as JSON.
 * @property contentJson the content of anything that is no `message`, as JSON.
 * @property state how far it is.
 * @property reach of a message of the user's own in a room of up to 100 members: how many of the
 *   others have it.
 */
public data class Message(
    val id: String,
    val room: String,
    val sender: String,
    val seq: Long?,
    val atMs: Long,
    val kind: String,
    val text: String?,
    val mentions: List<String>,
    val metadataJson: String?,
    val contentJson: String?,
    val state: MessageState,
    val reach: Reach? = null,
)

/**
 * How many of the other members of a room have a message.
 *
 * @property deliveredTo those whose devices have it; those who read it among them.
 * @property readBy those who have read it.
 * @property of how many others there are: at least 1.
 */
public data class Reach(
    val deliveredTo: Long,
    val readBy: Long,
    val of: Long,
)

/** How far a message is. */
public sealed interface MessageState {
    /** In the outbox, on its way or about to be. Trouble with the network does not change that. */
    public data object Sending : MessageState

    /** In the outbox, behind a message that failed, the one with the id [behind]. */
    public data class Waiting(val behind: String) : MessageState

    /** The server refused it: [Room.retry] or [Room.discard] it. Those behind it wait. */
    public data class Failed(val reason: FailReason) : MessageState

    /** In the room's log, for everybody to see. */
    public data object Sent : MessageState

    /** On a device of every other member. */
    public data object Delivered : MessageState

    /** Read by every other member. */
    public data object Read : MessageState

    /** Whether it is in the room's log: sent, and maybe delivered or read. */
    public val isSent: Boolean get() = this is Sent || this is Delivered || this is Read
}

/** Why a message failed. Trouble with the network is never a reason. */
public sealed interface FailReason {
    /** What went wrong, in English, for people. */
    public val text: String

    /** The server said "no", with this [code] of its protocol. */
    public data class Refused(val code: String, override val text: String) : FailReason

    /**
     * It was first sent longer ago than the server remembers ids, so that sending it again could
     * make a second one.
     */
    public data class Unknown(override val text: String) : FailReason
}
