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
 * @property kind what kind of content it has: `message`, `room.created`, `room.updated`,
 *   `member.joined`, `member.left`, `member.role`, or a kind of the app's own.
 * @property text the text as of the last edit, if this is a `message` that was not deleted.
 * @property mentions the ids of those whom a `message` mentions.
 * @property metadataJson what the app put into a `message`, as JSON.
 * @property contentJson the content of anything that is no `message`, as JSON.
 * @property state how far it is.
 * @property reach of a message of the user's own in a room of up to 100 members: how many of the
 *   others have it.
 * @property edited the last edit.
 * @property deleted the deletion. What is deleted has no text, no edit and no reactions.
 * @property reactions the reactions, in the order in which their keys came.
 * @property replyTo the message that it quotes.
 * @property thread the id of the message in whose thread it stands.
 * @property replies what stands in its own thread.
 * @property changing whether an edit, a deletion or a reaction of the user's is shown here that is
 *   still on its way. If the server refuses it, it goes again.
 * @property blocked whether the user has blocked its sender: to be shown folded away.
 * @property attachments the files that it lists, in its sender's order.
 * @property outgoing the files of one that waits for their uploads, and how far each is.
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
    val edited: Changed? = null,
    val deleted: Changed? = null,
    val reactions: List<Reactions> = emptyList(),
    val replyTo: Quote? = null,
    val thread: String? = null,
    val replies: Replies? = null,
    val changing: Boolean = false,
    val blocked: Boolean = false,
    val attachments: List<Attachment> = emptyList(),
    val outgoing: List<OutgoingFile> = emptyList(),
)

/**
 * When a message was edited or deleted.
 *
 * @property seq by which event; none while that is in the outbox.
 * @property atMs when the server took it, or, in the outbox, when it was queued: ms since
 *   1970-01-01 UTC.
 */
public data class Changed(
    val seq: Long?,
    val atMs: Long,
)

/**
 * All reactions of one key on a message.
 *
 * @property key the mark, as a rule an emoji.
 * @property count how many users have it there.
 * @property mine whether the user is one of them.
 * @property by the ids of those of them who have it for the longest time, at most 10.
 */
public data class Reactions(
    val key: String,
    val count: Long,
    val mine: Boolean,
    val by: List<String>,
)

/**
 * A message that another one quotes.
 *
 * @property id its id.
 * @property message what it says now, if it is on this device.
 */
public data class Quote(
    val id: String,
    val message: Quoted?,
)

/**
 * What a quoted message says.
 *
 * @property sender the id of who sent it.
 * @property text its text; none if it was deleted or has none.
 * @property deleted whether it was deleted.
 * @property blocked whether the user has blocked its sender.
 */
public data class Quoted(
    val sender: String,
    val text: String?,
    val deleted: Boolean,
    val blocked: Boolean = false,
)

/**
 * The messages in the thread of another one, the user's own that are on their way among them.
 *
 * @property count how many, the deleted ones too.
 * @property lastAtMs when the last one came: ms since 1970-01-01 UTC.
 */
public data class Replies(
    val count: Long,
    val lastAtMs: Long,
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

    /**
     * The server refused it, or it was not sent in its time: [Room.retry] or [Room.discard] it. Those
     * behind it wait, unless it was sent with [OnFailure.SKIP].
     */
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
     * The user may only read in the room, until [untilMs]: ms since 1970-01-01 UTC by the server's clock, null where
     * only somebody who keeps order ends it.
     */
    public data class Muted(val untilMs: Long?, override val text: String) : FailReason

    /**
     * It was first sent longer ago than the server remembers ids, so that sending it again could
     * make a second one.
     */
    public data class Unknown(override val text: String) : FailReason

    /**
     * It was to be sent within a time that is over. If it had been tried before, it may have arrived
     * all the same; then it shows as sent once that is known.
     */
    public data class Expired(override val text: String) : FailReason

    /** The client's own copy of one of its files is gone or was changed: send the file again. */
    public data class CopyLost(override val text: String) : FailReason
}

/** What becomes of what was sent after a message of the same room, if that fails. */
public enum class OnFailure {
    /** It waits until the failed one was sent again or discarded, so that nothing overtakes it. */
    HOLD,

    /** It goes on. */
    SKIP,
}
