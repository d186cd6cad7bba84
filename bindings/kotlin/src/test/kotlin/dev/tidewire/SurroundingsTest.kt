package dev.tidewire

import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeout
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds

class SurroundingsTest {
    // scenario: visible-rooms
    @Test
    fun `a room that the list shows is live before one with later news`() =
        scene {
            val client = open(ada)
            // Only what is live can arrive: the feed is not read again within the test.
            val patient = settings(grace).copy(maxConcurrentRooms = 1, pollingInterval = 600.seconds)
            val peer = open(patient)
            val rooms = listOf("Shown", "Other").map { client.createGroup(it, listOf(grace)) }
            for (room in rooms) {
                room.send("first")
                peer.knows(room.id, 2)
            }
            peer.setModeCeiling(Mode.HYBRID)
            peer.mode.await("hybrid") { it.mode == Mode.HYBRID }
            for (room in rooms) {
                peer.setVisibleRooms(listOf(room.id))
                room.send("second")
                peer.knows(room.id, 3)
            }
            assertFailsWith<TidewireException.InvalidId> { peer.setVisibleRooms(listOf("no room")) }
        }

    // scenario: slow-network
    @Test
    fun `where answers take more than a second the mode steps down and says why`() =
        scene {
            val client = open(settings(ada).copy(presenceHeartbeatInterval = 1.seconds))
            val steady = Stage.world()
            val peer = open(settings(grace).copy(url = steady.url))
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            val room = client.directRoom(grace)
            world.delay(700)
            val report =
                client.mode.await("a step down") {
                    it.reason is ModeReason.Latency && it.mode != Mode.REAL_TIME
                }
            assertTrue(assertIs<ModeReason.Latency>(report.reason).ms > 1_000)
            room.send("slowly")
            peer.directRoom(ada).timeline().awaitSent(listOf("slowly"))
        }

    // scenario: websockets-blocked
    @Test
    fun `where WebSockets are blocked everything is pushed over an event stream`() =
        scene {
            world.blockSockets()
            // Only what is pushed can arrive: the feed is not read again within the test.
            val client = open(settings(ada).copy(pollingInterval = 600.seconds))
            val steady = Stage.world()
            val peer = open(settings(grace).copy(url = steady.url))
            val report = client.mode.await("a stream") { it.reason == ModeReason.EventStream }
            assertEquals(Mode.REAL_TIME, report.mode)
            val timeline = client.directRoom(grace).timeline()
            val room = peer.directRoom(ada)
            for (text in listOf("one", "two", "three")) room.send(text)
            timeline.awaitSent(listOf("one", "two", "three"))
            client.directRoom(grace).send("four")
            room.timeline().awaitSent(listOf("one", "two", "three", "four"))
        }
}

/** Waits until the list has the room at this seq or above, whether or not it is open. */
private suspend fun TidewireClient.knows(room: String, seq: Long) =
    withTimeout(PATIENCE) {
        while (rooms().none { it.id == room && it.headSeq >= seq }) delay(20)
    }
