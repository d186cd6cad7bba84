package dev.tidewire

/**
 * What [TidewireClient.refreshOnce] brought.
 *
 * @property complete whether everything was read and everything that could be sent was sent.
 * @property newEvents events that are on disk now and were not before.
 * @property pending messages that are still in the outbox.
 */
public data class Refreshed(
    val complete: Boolean,
    val newEvents: Long,
    val pending: Long,
)
