package dev.tidewire

import dev.tidewire.internal.Told
import kotlin.time.Duration

/**
 * What a call can fail with; [message] says in English what went wrong and what to do about it.
 * Match on the subclass to act on it. Trouble with the network never fails a send: it waits.
 *
 * @property isTemporary whether the same call can succeed later without any change by the caller.
 */
public sealed class TidewireException(
    override val message: String,
    public val isTemporary: Boolean,
) : Exception(message) {
    private constructor(told: Told) : this(told.text, told.isTemporary)

    /** Another process, or another client of this one, has the account in the folder [path] open. */
    public class FolderInUse internal constructor(
        told: Told,
        public val path: String,
    ) : TidewireException(told)

    /** The folder [path] can not be made, read or written; [reason] is what the system says. */
    public class FolderUnusable internal constructor(
        told: Told,
        public val path: String,
        public val reason: String,
    ) : TidewireException(told)

    /**
     * What exists nowhere else, the pending sends, can not be read to its end: the file [path] is
     * damaged, [reason] says how. It was left as it is. [Settings.acceptLoss] goes on with what can be
     * read. A damaged cache alone is never an error: it is filled again.
     */
    public class Damaged internal constructor(
        told: Told,
        public val path: String,
        public val reason: String,
    ) : TidewireException(told)

    /** A newer version of the SDK wrote the database: [found] is above [known]. It was left so. */
    public class NewerDatabase internal constructor(
        told: Told,
        public val found: Long,
        public val known: Long,
    ) : TidewireException(told)

    /** The disk is full: free some space; the client goes on by itself. */
    public class DiskFull internal constructor(
        told: Told,
    ) : TidewireException(told)

    /** Anything else that is wrong with the store; [reason] is what the system or SQLite says. */
    public class StoreFailed internal constructor(
        told: Told,
        public val reason: String,
    ) : TidewireException(told)

    /** The message can never be accepted: change it. */
    public class InvalidMessage internal constructor(
        told: Told,
        public val reason: String,
    ) : TidewireException(told)

    /** A search that can find nothing, whatever there is: change the query. */
    public class InvalidSearch internal constructor(
        told: Told,
        public val reason: String,
    ) : TidewireException(told)

    /** Somebody who may not be blocked: the user himself, or more than 1,000. */
    public class InvalidBlock internal constructor(
        told: Told,
        public val reason: String,
    ) : TidewireException(told)

    /** An identifier is none. */
    public class InvalidId internal constructor(
        told: Told,
        public val reason: String,
    ) : TidewireException(told)

    /** The setting [setting] is out of its [bounds]. */
    public class InvalidSetting internal constructor(
        told: Told,
        public val setting: String,
        public val bounds: String,
    ) : TidewireException(told)

    /** The server's address [url] is none: use `https://host[:port]` or `http://host[:port]`. */
    public class InvalidUrl internal constructor(
        told: Told,
        public val url: String,
        public val reason: String,
    ) : TidewireException(told)

    /**
     * A text is no valid Unicode: in [argument], at the UTF-16 index [index], there is one half of
     * a surrogate pair without the other. Nothing was done. Such halves come from cutting a text
     * in the middle of an emoji.
     */
    public class InvalidText internal constructor(
        public val argument: String,
        public val index: Int,
        half: Char,
    ) : TidewireException(
        "`$argument` is no valid Unicode: at index $index there is U+%04X, ".format(half.code) +
            "half of a surrogate pair without the other half",
        isTemporary = false,
    )

    /** The client knows no room [room]. If somebody just added the user, it comes with the feed. */
    public class UnknownRoom internal constructor(
        told: Told,
        public val room: String,
    ) : TidewireException(told)

    /** The user has left the room [room] or was removed from it. */
    public class NotAMember internal constructor(
        told: Told,
        public val room: String,
    ) : TidewireException(told)

    /** There is no message [id] here, or, where a failed one is meant, it has not failed. */
    public class UnknownMessage internal constructor(
        told: Told,
        public val id: String,
    ) : TidewireException(told)

    /**
     * The message [id] is somebody else's: only its sender may edit it, and delete it may its sender
     * and, in a group, an owner.
     */
    public class NotYours internal constructor(
        told: Told,
        public val id: String,
    ) : TidewireException(told)

    /** The message [id] was deleted, or is about to be: it can be neither changed nor reacted to. */
    public class MessageDeleted internal constructor(
        told: Told,
        public val id: String,
    ) : TidewireException(told)

    /** As many messages as may, [capacity], wait to be sent: wait until some have left. */
    public class OutboxFull internal constructor(
        told: Told,
        public val capacity: Long,
    ) : TidewireException(told)

    /** This needs the server, and the mode is [Mode.OFFLINE]. */
    public class Offline internal constructor(
        told: Told,
    ) : TidewireException(told)

    /** This needs the server, and it was not reached. */
    public class Network internal constructor(
        told: Told,
        public val reason: String,
    ) : TidewireException(told)

    /**
     * The server's "no": [code] as in its protocol, [reason] for people, and when to try again, if
     * the server said so.
     */
    public class Refused internal constructor(
        told: Told,
        public val code: String,
        public val reason: String,
        public val retryAfter: Duration?,
    ) : TidewireException(told)

    /** The app gave no token, or the server takes none of those given: sign in again. */
    public class AuthRequired internal constructor(
        told: Told,
        public val reason: String,
    ) : TidewireException(told)

    /**
     * There are [pending] messages that were not sent yet, and [Logout.KEEP] was to keep them: send,
     * retry or discard them first, or give them up with [Logout.DISCARD].
     */
    public class PendingSends internal constructor(
        told: Told,
        public val pending: Long,
    ) : TidewireException(told)

    /** There is no such file (any more): choose it again. Nothing was sent. */
    public class FileMissing internal constructor(
        told: Told,
        public val path: String,
    ) : TidewireException(told)

    /**
     * The file can not be sent as it is: it is empty, being written, no file, or can not be read. Nothing was
     * sent.
     */
    public class FileUnusable internal constructor(
        told: Told,
        public val path: String,
        public val reason: String,
    ) : TidewireException(told)

    /** The file has more bytes than the [maxBytes] that the server takes: make it smaller. Nothing was sent. */
    public class UploadTooLarge internal constructor(
        told: Told,
        public val path: String,
        public val maxBytes: Long,
    ) : TidewireException(told)

    /** What came of a file is not what its message says, twice. What came is deleted. */
    public class FileDamaged internal constructor(
        told: Told,
    ) : TidewireException(told)

    /**
     * The file has [size] bytes, and at most [most] are kept of all files together: see
     * [Settings.fileCacheBytes].
     */
    public class FileTooLarge internal constructor(
        told: Told,
        public val size: Long,
        public val most: Long,
    ) : TidewireException(told)

    /**
     * The app said that it is suspended, and this needs the disk or the network: say that it is in
     * the foreground or the background first, with [TidewireClient.setAppState].
     */
    public class Suspended internal constructor(
        told: Told,
    ) : TidewireException(told)

    /** The client, the timeline or the list was closed. */
    public class Closed internal constructor() :
        TidewireException("this was closed", isTemporary = false)

    /** Another collector of the same timeline or list is at work: one at a time. */
    public class AlreadyCollected internal constructor() :
        TidewireException(
            "this has a collector already, and it can have one at a time: " +
                "share it with `shareIn`, or open a second timeline or list",
            isTemporary = true,
        )

    /** The SDK failed. Please report it. */
    public class Internal internal constructor(
        told: Told,
        public val reason: String,
    ) : TidewireException(told)
}
