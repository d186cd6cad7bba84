package dev.tidewire

import dev.tidewire.internal.Pulled
import dev.tidewire.internal.reading
import dev.tidewire.internal.toApi
import dev.tidewire.internal.toFfi
import dev.tidewire.internal.translated
import kotlinx.coroutines.flow.Flow
import java.io.Closeable
import java.util.concurrent.atomic.AtomicBoolean
import dev.tidewire.ffi.Timeline as FfiTimeline

/**
 * A part of the messages of one room, or of a thread, as they change. Thread-safe.
 *
 * It grows by [loadOlder] and [loadNewer]. Beyond [Settings.maxMessagesPerRoom] it slides: what is at
 * the other end goes. Without newer messages than its own it follows the newest; once it has slid away
 * from them, [TimelineState.moreAfter] says so, and [loadNewer] leads back.
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
     * Puts up to [count] (1 to 200, at most half of [Settings.maxMessagesPerRoom]) older messages before
     * those shown: from disk as far as they are there without a hole, else from the server. They come
     * through [rows]. Where the timeline then holds too many, its newest messages go, and it does not
     * follow the newest any more. Cancelling it is safe.
     *
     * @throws TidewireException `Offline` or `Network` if they are not on disk; `Refused`,
     *   `StoreFailed`, `Closed`.
     */
    public suspend fun loadOlder(count: Int = 50): Loaded =
        reading { live().loadOlder(count.coerceAtLeast(0).toUInt(), null).toApi() }

    /**
     * The same with newer messages, behind those shown, of a timeline with
     * [moreAfter][TimelineState.moreAfter]. Once there are none, the timeline follows the newest again.
     * Does nothing if it does.
     *
     * @throws TidewireException as for [loadOlder].
     */
    public suspend fun loadNewer(count: Int = 50): Loaded =
        reading { live().loadNewer(count.coerceAtLeast(0).toUInt(), null).toApi() }

    /**
     * Fetches what is missing in a gap that the timeline shows, from one of its sides, at most 200
     * events at a time. They come through [rows]. Waits for the network. Cancelling it is safe.
     *
     * @throws TidewireException `Offline`, `Network`, `Refused`, `StoreFailed`, `Closed`.
     */
    public suspend fun fillGap(gap: TimelineRow.Gap, side: GapSide = GapSide.NEWER): Loaded =
        reading {
            live().fillGap(gap.from.toULong(), gap.to.toULong(), side.toFfi(), null).toApi()
        }

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
