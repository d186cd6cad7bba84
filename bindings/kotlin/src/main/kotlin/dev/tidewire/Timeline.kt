package dev.tidewire

import dev.tidewire.internal.Pulled
import dev.tidewire.internal.reading
import dev.tidewire.internal.toApi
import dev.tidewire.internal.translated
import kotlinx.coroutines.flow.Flow
import java.io.Closeable
import java.util.concurrent.atomic.AtomicBoolean
import dev.tidewire.ffi.Timeline as FfiTimeline

/**
 * The messages of one room, from the newest back, as they change. Thread-safe.
 *
 * [rows] and [batches] read the same subscription: together they have one collector at a time. A
 * collection may be cancelled at any moment and another one started: it loses and repeats nothing.
 *
 * @property room the id of the room.
 */
public class Timeline internal constructor(
    private val handle: FfiTimeline,
    private val client: TidewireClient,
    public val room: String,
) : Closeable {
    private val closed = AtomicBoolean()
    private val pulled =
        Pulled(
            TimelineState.EMPTY,
            number = TimelineBatch::number,
            plus = TimelineState::plus,
            begin = { live() },
            next = { timeline, after -> timeline.next(after, null).toApi() },
        )

    /**
     * What the timeline shows: first what it showed to the collector before, if there was one, then
     * each new state. Ends when the timeline or the client is closed. Waits for neither network nor
     * disk. May be conflated: a state is all there is to know.
     *
     * Fails with [TidewireException.Closed] if it was closed before, and with
     * [TidewireException.AlreadyCollected] beside another collector.
     */
    public val rows: Flow<TimelineState> = pulled.states

    /**
     * The updates as they come, for those who keep rows themselves: goes on after the last one that
     * a collector of this timeline has processed. One whose processing was cancelled comes again,
     * with the same number. Must not be conflated: each builds upon those before it.
     *
     * Ends and fails as [rows] does.
     */
    public val batches: Flow<TimelineBatch> = pulled.batches

    /**
     * Puts up to [count] (1 to 200) older messages before those shown: from disk as far as they are
     * there, else from the server. They come through [rows]. Cancelling it is safe.
     *
     * @throws TidewireException `Offline` or `Network` if they are not on disk;
     *   `Refused`, `StoreFailed`, `Closed`.
     */
    public suspend fun loadOlder(count: Int = 50): Older =
        reading { live().loadOlder(count.coerceAtLeast(0).toUInt(), null).toApi() }

    /**
     * Fetches what is missing in a gap that the timeline shows, the newest first, at most 200 events
     * at a time. They come through [rows]. Waits for the network. Cancelling it is safe.
     *
     * @throws TidewireException `Offline`, `Network`, `Refused`, `StoreFailed`, `Closed`.
     */
    public suspend fun fillGap(gap: TimelineRow.Gap): Older =
        reading { live().fillGap(gap.from.toULong(), gap.to.toULong(), null).toApi() }

    /** Ends the collection and releases what the timeline holds. Returns at once. Idempotent. */
    override fun close() {
        if (closed.compareAndSet(false, true)) {
            translated { handle.cancel() }
            handle.destroy()
        }
    }

    private fun live(): FfiTimeline =
        if (closed.get() || client.isClosed) throw TidewireException.Closed() else handle
}
