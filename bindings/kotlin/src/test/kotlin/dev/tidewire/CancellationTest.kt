package dev.tidewire

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.coroutines.yield
import java.nio.file.Path
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Duration.Companion.seconds

class CancellationTest {
    // scenario: cancelled-next
    @Test
    fun `a collection that is cancelled again and again loses and repeats nothing`() =
        scene {
            val random = Random(7)
            val quick = settings(ada).copy(messageBufferTime = 0.seconds)
            TidewireClient.open(quick) { Stage.token(ada) }.use { client ->
                val room = client.directRoom(grace)
                val other = open(grace).directRoom(ada)
                val timeline = room.timeline()
                val texts = List(300) { "number $it" }
                val sending =
                    launch {
                        for (text in texts) {
                            other.send(text)
                            delay(10)
                        }
                    }

                // What an app keeps that applies the batches itself.
                var state = TimelineState.EMPTY
                var last = 0L
                var cancelled = 0
                val done = { cancelled >= 300 && state.texts.lastOrNull() == texts.last() }
                val whole =
                    withTimeoutOrNull(PATIENCE) {
                        while (!done()) {
                            val ended =
                                withTimeoutOrNull(random.nextInt(20_000).microseconds) {
                                    timeline.batches.collect { batch ->
                                        // Work in which a cancellation may hit.
                                        repeat(random.nextInt(3)) { yield() }
                                        delay(random.nextInt(2_000).microseconds)
                                        assertTrue(batch.number > last, "${batch.number} after $last")
                                        state += batch
                                        last = batch.number
                                    }
                                }
                            if (ended == null) cancelled++ else throw AssertionError("it ended")
                        }
                    }
                sending.cancelAndJoin()
                assertTrue(whole != null, "after $cancelled cancellations: ${state.texts}")
                assertEquals(texts, state.texts)
                assertEquals(state, timeline.rows.first(), "another collector goes on from here")
                assertTrue(cancelled >= 300)
                client.shutdown()
            }
        }

    // scenario: cancelled-next
    @Test
    fun `snapshots go on from the rows that were there, however often a collection is cancelled`() =
        scene {
            val random = Random(11)
            val room = open(ada).directRoom(grace)
            val timeline = room.timeline()
            val texts = List(60) { "number $it" }
            var seen = emptyList<String>()
            for (text in texts) {
                room.send(text)
                repeat(5) {
                    withTimeoutOrNull(random.nextInt(4_000).microseconds) {
                        timeline.rows.collect { state ->
                            val shown = state.texts
                            assertEquals(shown, texts.take(shown.size))
                            assertTrue(shown.size >= seen.size, "$shown after $seen")
                            seen = shown
                        }
                    }
                }
            }
            timeline.awaitSent(texts)
        }

    // scenario: cancelled-next
    @Test
    fun `a second collector is told off, and the next one waits for one that leaves`() =
        scene {
            val timeline = open(ada).directRoom(grace).timeline()
            repeat(100) {
                val first = launch(start = CoroutineStart.UNDISPATCHED) { timeline.rows.collect { } }
                val error = failure<TidewireException.AlreadyCollected> { timeline.batches.first() }
                assertTrue("one at a time" in error.message, error.message)
                // The same breath: not told off, although the first one is not gone yet.
                first.cancel()
                timeline.rows.first()
            }
        }

    @Test
    fun `a send goes on when its caller is cancelled`() =
        scene {
            val room = open(ada).directRoom(grace)
            val timeline = room.timeline()
            val texts = List(100) { "number $it" }
            for (text in texts) {
                launch(start = CoroutineStart.UNDISPATCHED) { room.send(text) }.cancelAndJoin()
                timeline.rows.await("it") { it.message(text) != null }
            }
            timeline.awaitSent(texts)
        }

    @Test
    fun `a client that nobody got, because its opening was cancelled, gives its folder free`() =
        scene {
            val random = Random(13)
            val folder = folder()
            repeat(100) {
                val opening = launch { openIfFree(folder) }
                delay(random.nextInt(8_000).microseconds)
                opening.cancelAndJoin()
            }
            eventually("the folder, free again,") { open(ada, folder) }
        }

    @Test
    fun `opening a timeline can be cancelled while it waits for the network`() =
        scene {
            val sender = open(ada).directRoom(grace)
            val ids = List(150) { sender.send("number $it") }
            sender.timeline().awaitMessage(ids.last(), "all of it, sent") { it.seq != null }
            // A new device has the newest only, and then a network on which nothing arrives any more.
            val client = open(settings(grace).copy(dataDir = folder().toString()))
            client.events.await("the room") { sender.id in client.rooms().map { it.id } }
            val room = client.room(sender.id)
            room.timeline().awaitMessage(ids.last(), "the newest") { true }
            world.delay(ms = 60_000)
            val calls =
                listOf<suspend () -> Unit>(
                    { room.timeline(TimelineStart.Message(ids[3])) },
                    { room.members() },
                )
            for (call in calls) {
                val waiting = launch(start = CoroutineStart.UNDISPATCHED) { call() }
                withTimeout(PATIENCE) { waiting.cancelAndJoin() }
            }
        }

    @Test
    fun `a cancelled wait for events ends`() =
        scene {
            val client = open(ada)
            repeat(100) {
                val waiting =
                    launch {
                        client.events.collect { }
                        awaitCancellation()
                    }
                yield()
                waiting.cancelAndJoin()
            }
            assertEquals(emptyList(), client.rooms())
        }
}

/** Null if the one before is still about to end. */
private suspend fun Scene.openIfFree(folder: Path): TidewireClient? =
    try {
        // Not by `Scene.open`: whoever is cancelled there has nothing to close, and neither has this.
        TidewireClient.open(settings(ada, folder)) { Stage.token(ada) }.also { it.shutdown() }
    } catch (_: TidewireException.FolderInUse) {
        null
    }
