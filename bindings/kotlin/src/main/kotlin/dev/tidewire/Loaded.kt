package dev.tidewire

/**
 * What [Timeline.loadOlder], [Timeline.loadNewer] or [Timeline.fillGap] found.
 *
 * @property added events added to the timeline.
 * @property tier which tier had them.
 * @property more whether there is more on the same way: before them, or, after them, until the timeline
 *   follows the newest.
 */
public data class Loaded(
    val added: Int,
    val tier: Tier,
    val more: Boolean,
)

/** Which tier answered a read. */
public enum class Tier {
    /** Memory. */
    MEMORY,

    /** SQLite on the device. */
    DISK,

    /** The server. */
    SERVER,
}
