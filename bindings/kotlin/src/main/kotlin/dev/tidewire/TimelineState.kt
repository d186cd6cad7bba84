package dev.tidewire

/**
 * What a timeline shows at one moment. It never changes: what is new comes as a new state.
 *
 * @property rows oldest first.
 * @property moreBefore whether there are older messages, on disk or on the server:
 *   [Timeline.loadOlder].
 * @property moreAfter whether there are newer messages than these. If so, the timeline does not follow
 *   the newest: [Timeline.loadNewer] leads back to them.
 * @property unreadFrom where what the user had not read begins, as it was when the timeline was opened:
 *   the line goes before the first row of this seq or above it. Null if all was read.
 */
public data class TimelineState(
    val rows: List<TimelineRow>,
    val moreBefore: Boolean,
    val moreAfter: Boolean,
    val unreadFrom: Long?,
) {
    /** The messages among the rows, oldest first. */
    public val messages: List<Message>
        get() = rows.mapNotNull { (it as? TimelineRow.Message)?.message }

    /**
     * The state after a batch: its rows if it is a reset, else these rows with its changes applied
     * in order. Neither is changed.
     *
     * @throws IndexOutOfBoundsException if the batch does not follow on this state.
     */
    public operator fun plus(batch: TimelineBatch): TimelineState =
        when (val update = batch.update) {
            is TimelineUpdate.Reset ->
                TimelineState(update.rows, batch.moreBefore, batch.moreAfter, update.unreadFrom)
            is TimelineUpdate.Diff -> {
                val rows = ArrayList(rows)
                for (change in update.changes) {
                    when (change) {
                        is TimelineChange.Insert -> rows.add(change.index, change.row)
                        is TimelineChange.Set -> rows[change.index] = change.row
                        is TimelineChange.Remove -> rows.removeAt(change.index)
                    }
                }
                TimelineState(rows, batch.moreBefore, batch.moreAfter, unreadFrom)
            }
        }

    /** Where states begin. */
    public companion object {
        /** A timeline that has not told anything yet. */
        public val EMPTY: TimelineState =
            TimelineState(emptyList(), moreBefore = false, moreAfter = false, unreadFrom = null)
    }
}

/** A row of a timeline. */
public sealed interface TimelineRow {
    /** A message or another event. */
    public data class Message(val message: dev.tidewire.Message) : TimelineRow

    /** Events that exist and are not here, from seq [from] to seq [to]: [Timeline.fillGap]. */
    public data class Gap(val from: Long, val to: Long) : TimelineRow
}

/**
 * A numbered update of a timeline.
 *
 * @property number 1, 2, 3 …
 * @property update what is new. The first one of a timeline is a [TimelineUpdate.Reset], and so is
 *   one for a collector that was too slow.
 * @property moreBefore whether there are older messages, on disk or on the server.
 * @property moreAfter whether there are newer messages than those of the timeline.
 */
public data class TimelineBatch(
    val number: Long,
    val update: TimelineUpdate,
    val moreBefore: Boolean,
    val moreAfter: Boolean,
)

/** What is new in a timeline. */
public sealed interface TimelineUpdate {
    /**
     * Everything, from scratch, oldest first, and where what the user had not read begins, as it was
     * when the timeline was opened.
     */
    public data class Reset(
        val rows: List<TimelineRow>,
        val unreadFrom: Long?,
    ) : TimelineUpdate

    /** Changes, to be applied in order. */
    public data class Diff(val changes: List<TimelineChange>) : TimelineUpdate
}

/** One change of the rows. */
public sealed interface TimelineChange {
    /** [row] comes in before the one at [index]. */
    public data class Insert(val index: Int, val row: TimelineRow) : TimelineChange

    /** The row at [index] now is [row]. */
    public data class Set(val index: Int, val row: TimelineRow) : TimelineChange

    /** The row at [index] goes. */
    public data class Remove(val index: Int) : TimelineChange
}

/** Where a timeline opens. */
public sealed interface TimelineStart {
    /** At the newest messages. */
    public data object Newest : TimelineStart

    /** Around the first message that the user has not read; at the newest if there is none. */
    public data object FirstUnread : TimelineStart

    /** Around the message with this [id]. */
    public data class Message(val id: String) : TimelineStart

    /**
     * Around the place [seq]; at the newest if that is beyond the room's end, at the oldest if it is
     * before its beginning.
     */
    public data class Seq(val seq: Long) : TimelineStart
}

/** The side from which a gap is filled. */
public enum class GapSide {
    /** From what comes before it on: for somebody who reads downwards. */
    OLDER,

    /** From what comes after it back: for somebody who reads upwards. */
    NEWER,
}
