package dev.tidewire

/**
 * What [Timeline.loadOlder] or [Timeline.fillGap] found.
 *
 * @property added events added to the timeline.
 * @property tier which tier had them.
 * @property more whether there is more before them.
 */
public data class Older(
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
