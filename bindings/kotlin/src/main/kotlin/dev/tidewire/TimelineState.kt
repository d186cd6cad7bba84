package dev.tidewire

/**
 * What a timeline shows at one moment. It never changes: what is new comes as a new state.
 *
 * @property rows oldest first.
 * @property more whether there are older messages, on disk or on the server: [Timeline.loadOlder].
 */
public data class TimelineState(
    val rows: List<TimelineRow>,
    val more: Boolean,
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
            is TimelineUpdate.Reset -> TimelineState(update.rows, batch.more)
            is TimelineUpdate.Diff -> {
                val rows = ArrayList(rows)
                for (change in update.changes) {
                    when (change) {
                        is TimelineChange.Insert -> rows.add(change.index, change.row)
                        is TimelineChange.Set -> rows[change.index] = change.row
                        is TimelineChange.Remove -> rows.removeAt(change.index)
                    }
                }
                TimelineState(rows, batch.more)
            }
        }

    /** Where states begin. */
    public companion object {
        /** A timeline that has not told anything yet. */
        public val EMPTY: TimelineState = TimelineState(emptyList(), more = false)
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
 * @property more whether there are older messages, on disk or on the server.
 */
public data class TimelineBatch(
    val number: Long,
    val update: TimelineUpdate,
    val more: Boolean,
)

/** What is new in a timeline. */
public sealed interface TimelineUpdate {
    /** Everything, from scratch, oldest first. */
    public data class Reset(val rows: List<TimelineRow>) : TimelineUpdate

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
