package dev.tidewire.bench

import com.sun.jna.Native
import dev.tidewire.OnFailure
import dev.tidewire.PATIENCE
import dev.tidewire.TidewireClient
import dev.tidewire.TimelineBatch
import dev.tidewire.TimelineUpdate
import dev.tidewire.ffi.CancelToken
import dev.tidewire.goOffline
import dev.tidewire.scene
import kotlinx.coroutines.flow.drop
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withTimeout
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit
import kotlin.time.TimeSource
import kotlin.time.measureTime

/**
 * What the border between Kotlin and the library costs: one life of a process, a figure a line. `cargo xtask
 * bench ffi` runs several of them, with the library as phones get it.
 *
 * Nothing here waits for a network while it is measured: what was not acknowledged is given again as often as
 * it is asked for, so that the same batch is measured many times over.
 */
fun main() {
    val jna = measureTime { check(Native.POINTER_SIZE > 0) }
    val library = measureTime { CancelToken().close() }
    tell("jna_start", jna, DurationUnit.MILLISECONDS)
    tell("library_ready", library, DurationUnit.MILLISECONDS)
    scene {
        val client = open(settings(ada).copy(maxMessagesPerRoom = 5_000))
        // Rooms come from the server; everything else happens without it.
        val rooms = List(3) { client.createGroup("Room $it", listOf(grace)) }
        client.goOffline()
        calls(client)
        page(client, rooms[0].id)
        burst(client, rooms[1].id)
        diffs(client, rooms[2].id)
    }
}

private suspend fun calls(client: TidewireClient) {
    val token = CancelToken()
    tell("call", median(CALLS) { token.cancel() }, DurationUnit.MICROSECONDS)
    token.close()
    tell("async_call", median(CALLS) { client.budget() }, DurationUnit.MICROSECONDS)
}

/** A timeline that opens with a page of 50 messages. */
private suspend fun page(client: TidewireClient, id: String) {
    val room = client.room(id)
    repeat(PAGE) { room.send(text(it)) }
    room.timeline().use { timeline ->
        val first = timeline.batches.first()
        check(first.size >= PAGE) { "a page of ${first.size} rows" }
        tell("page_50", median(PAGES) { timeline.batches.first() }, DurationUnit.MICROSECONDS)
    }
}

/** Messages that come in while nobody collects, and then all at once, into states. */
private suspend fun burst(client: TidewireClient, id: String) {
    val room = client.room(id)
    room.timeline().use { timeline ->
        repeat(EVENTS) { room.send(text(it)) }
        var events = 0
        var took = Duration.ZERO
        var begun = false
        while (true) {
            events += timeline.batches.first().size
            // Once something was taken for good, the state of then comes first, and costs nothing.
            took += median(BURSTS) { if (begun) timeline.rows.drop(1).first() else timeline.rows.first() }
            if (events >= EVENTS) break
            timeline.batches.drop(1).first()
            begun = true
        }
        tell("burst_1000", took / events, DurationUnit.MICROSECONDS)
    }
}

/** A message that fails: all behind it change at that moment. */
private suspend fun diffs(client: TidewireClient, id: String) {
    val room = client.room(id)
    val begin = TimeSource.Monotonic.markNow()
    room.sendWith(text(0), OnFailure.HOLD, expiresAfterMs = EXPIRY.inWholeMilliseconds)
    repeat(EVENTS) { room.send(text(it)) }
    check(begin.elapsedNow() < EXPIRY) { "this machine is too slow: the first message has failed already" }
    room.timeline().use { timeline ->
        // All before it are taken for good, and this one comes again for as long as it is asked for.
        val batch = withTimeout(PATIENCE) { timeline.batches.first { it.number > 1 && it.size >= EVENTS } }
        check(batch.update is TimelineUpdate.Diff) { "not diffs but all rows anew" }
        tell("diffs_1000", median(BURSTS) { timeline.batches.first() } / batch.size, DurationUnit.MICROSECONDS)
    }
}

private val TimelineBatch.size: Int
    get() =
        when (val update = update) {
            is TimelineUpdate.Reset -> update.rows.size
            is TimelineUpdate.Diff -> update.changes.size
        }

/** As long as messages are: about 60 bytes. */
private fun text(number: Int) = "Message $number, about as long as what people write to each other"

/** The median of so many, after some that let the compiler see what is hot. */
private suspend fun median(count: Int, work: suspend () -> Unit): Duration {
    repeat(count) { work() }
    return List(count) { measureTime { work() } }.sorted()[count / 2]
}

private fun tell(name: String, took: Duration, unit: DurationUnit) = println("$name ${took.toDouble(unit)}")

private const val CALLS = 5_000
private const val PAGE = 50
private const val PAGES = 500
private const val EVENTS = 1_000
private const val BURSTS = 100
private val EXPIRY = 10.seconds
