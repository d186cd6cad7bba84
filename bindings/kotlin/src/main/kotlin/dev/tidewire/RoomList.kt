package dev.tidewire

import dev.tidewire.internal.Pulled
import dev.tidewire.internal.toApi
import dev.tidewire.internal.translated
import kotlinx.coroutines.flow.Flow
import java.io.Closeable
import java.util.concurrent.atomic.AtomicBoolean
import dev.tidewire.ffi.RoomList as FfiRoomList

/**
 * A list of rooms, sorted and filtered, as it changes: for a screen that scrolls. Thread-safe.
 *
 * Rows come as a window of the list, which moves along with [setVisible]. [rows] and [batches] read
 * the same subscription: together they have one collector at a time. A collection may be cancelled
 * at any moment and another one started: it loses and repeats nothing.
 */
public class RoomList internal constructor(
    private val handle: FfiRoomList,
    private val client: TidewireClient,
) : Closeable {
    private val closed = AtomicBoolean()
    private val pulled =
        Pulled(
            RoomListState.EMPTY,
            number = RoomListBatch::number,
            plus = RoomListState::plus,
            begin = { live() },
            next = { list, after -> list.next(after, null).toApi() },
        )

    /**
     * What the list shows: first what it showed to the collector before, if there was one, then each
     * new state, at most every 100 ms. Ends when the list or the client is closed. Waits for neither
     * network nor disk. May be conflated: a state is all there is to know.
     *
     * Fails with [TidewireException.Closed] if it was closed before, and with
     * [TidewireException.AlreadyCollected] beside another collector.
     */
    public val rows: Flow<RoomListState> = pulled.states

    /**
     * The updates as they come, for those who keep rows themselves: goes on after the last one that
     * a collector of this list has processed. One whose processing was cancelled comes again, with
     * the same number. Must not be conflated: each builds upon those before it.
     *
     * Ends and fails as [rows] does.
     */
    public val batches: Flow<RoomListBatch> = pulled.batches

    /**
     * Tells which rows the app shows: [count] of them, the first of them the one at [first] of the
     * whole list, as the states collected so far have it. Call it as the user scrolls; any number of
     * times costs little. Returns at once.
     *
     * The window of rows moves along, so that there are rows above and below. The rooms shown are
     * watched for presence and typing and are live in [Mode.HYBRID] after open ones (of this list or
     * of the last one that said so), counts that are not exact are asked for them first, and of the
     * first 10 the newest page is fetched if it is not here, so that they open at once. Then follow
     * those with unread messages and the most recent ones, up to 20 in all, while nothing else runs
     * and neither low power nor data saver is on.
     *
     * @throws TidewireException.Closed
     */
    public fun setVisible(first: Int, count: Int): Unit =
        translated {
            live().setVisible(first.coerceAtLeast(0).toUInt(), count.coerceAtLeast(0).toUInt())
        }

    /** Ends the collection and releases what the list holds. Returns at once. Idempotent. */
    override fun close() {
        if (closed.compareAndSet(false, true)) {
            translated { handle.cancel() }
            handle.destroy()
        }
    }

    private fun live(): FfiRoomList =
        if (closed.get() || client.isClosed) throw TidewireException.Closed() else handle
}
