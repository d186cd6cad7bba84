package dev.tidewire

import kotlin.time.Duration

/**
 * What a list of rooms shows at one moment. It never changes: what is new comes as a new state.
 *
 * @property rows the rows of the window, from top to bottom.
 * @property first where the window begins in the list.
 * @property total how many rooms the list has.
 */
public data class RoomListState(
    val rows: List<RoomListRow>,
    val first: Int,
    val total: Int,
) {
    /**
     * The state after a batch: its rows if it is a reset, else these rows with its changes applied
     * in order. Neither is changed.
     *
     * @throws IndexOutOfBoundsException if the batch does not follow on this state.
     */
    public operator fun plus(batch: RoomListBatch): RoomListState =
        when (val update = batch.update) {
            is RoomListUpdate.Reset -> RoomListState(update.rows, batch.first, batch.total)
            is RoomListUpdate.Diff -> {
                val rows = ArrayList(rows)
                for (change in update.changes) {
                    when (change) {
                        is RoomListChange.Insert -> rows.add(change.index, change.row)
                        is RoomListChange.Set -> rows[change.index] = change.row
                        is RoomListChange.Remove -> rows.removeAt(change.index)
                    }
                }
                RoomListState(rows, batch.first, batch.total)
            }
        }

    /** Where states begin. */
    public companion object {
        /** A list that has not told anything yet. */
        public val EMPTY: RoomListState = RoomListState(emptyList(), first = 0, total = 0)
    }
}

/**
 * A row of a list of rooms. What it is for life is its [room].
 *
 * @property room the room's id.
 * @property kind direct or group.
 * @property name the name, for groups that have one.
 * @property avatarUrl the picture, for groups that have one.
 * @property peer in a direct room, the id of the other one.
 * @property profile that user's profile, if it is known: it is fetched for the rows that the app shows.
 * @property members how many members it has; 0 while only events are known of the room.
 * @property role what the user may do in it.
 * @property mute if the user may only read.
 * @property slowMode how long a member waits from one message to the next, unless the role keeps order; null for no
 *   time.
 * @property settings what the user has set, whether or not the server knows of it yet.
 * @property unread what the user has not read.
 * @property lastMessage the newest message that stands in no thread: one of the user's own that still
 *   waits in the outbox, else the newest of the log that is known.
 * @property draft what the user has begun to write.
 * @property pending operations of this room in the outbox.
 * @property failed whether one of them has failed, so that the others wait for the user.
 * @property atMs the time that the room is sorted by: of its last message, else of its creation. In ms
 *   since 1970-01-01 UTC.
 */
public data class RoomListRow(
    val room: String,
    val kind: RoomKind,
    val name: String?,
    val avatarUrl: String?,
    val peer: String?,
    val profile: Profile?,
    val members: Long,
    val role: Role,
    val mute: Mute?,
    val slowMode: Duration?,
    val settings: RoomSettings,
    val unread: Unread,
    val lastMessage: Message?,
    val draft: String?,
    val pending: Long,
    val failed: Boolean,
    val atMs: Long,
)

/** The order of a list of rooms, below the pinned ones. */
public enum class RoomSort {
    /** By the time of the last message, the newest first. */
    RECENT,

    /** Those with unread messages first, each part by the time of the last message. */
    UNREAD_FIRST,

    /**
     * By name, without regard to case and to the marks of Latin letters; a direct room by its peer's
     * name, or id while that is not known. Those without a name come first.
     */
    NAME,
}

/**
 * Which rooms a list shows: those to which everything set here applies. The user is in all of them.
 *
 * @property unread only rooms with something unread.
 * @property kind only rooms of this kind.
 * @property archived only archived rooms. Without it only those that are not.
 * @property muted only muted rooms, or only those that are not.
 * @property name only rooms whose name, or whose peer's name (or id, while that is not known),
 *   contains this, compared as [RoomSort.NAME] compares.
 */
public data class RoomFilter(
    val unread: Boolean = false,
    val kind: RoomKind? = null,
    val archived: Boolean = false,
    val muted: Boolean? = null,
    val name: String? = null,
)

/**
 * A numbered update of a list of rooms.
 *
 * @property number 1, 2, 3 …
 * @property update what is new. The first one of a list is a [RoomListUpdate.Reset], and so is one
 *   for a collector that was too slow.
 * @property first where the window begins in the list now.
 * @property total how many rooms the list has now.
 */
public data class RoomListBatch(
    val number: Long,
    val update: RoomListUpdate,
    val first: Int,
    val total: Int,
)

/** What is new in a list of rooms. */
public sealed interface RoomListUpdate {
    /** All rows of the window, from scratch, from top to bottom. */
    public data class Reset(val rows: List<RoomListRow>) : RoomListUpdate

    /** Changes of the window's rows, to be applied in order. */
    public data class Diff(val changes: List<RoomListChange>) : RoomListUpdate
}

/** One change of the rows of a window. A row that moves is removed and inserted again. */
public sealed interface RoomListChange {
    /** [row] comes in before the one at [index]. */
    public data class Insert(val index: Int, val row: RoomListRow) : RoomListChange

    /** The row at [index] is the same room and now is [row]. */
    public data class Set(val index: Int, val row: RoomListRow) : RoomListChange

    /** The row at [index] goes. */
    public data class Remove(val index: Int) : RoomListChange
}
