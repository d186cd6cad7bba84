package dev.tidewire

import java.util.UUID
import kotlin.io.path.readText
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds

class WhyTest {
    // scenario: why
    @Test
    fun `mode and room and message are explained by facts and a sentence`() =
        scene {
            val client = open(ada, folder())
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            client.setNetwork(Network(NetworkKind.CELLULAR_2G))
            client.mode.await("polling") { it.mode == Mode.POLLING }
            val mode = client.why()
            assertContains(mode.sentence, "Polling because the network is 2G")
            val binding = mode.facts.filterIsInstance<Fact.Ceiling>().single { it.binds }
            assertEquals(ModeReason.Network(NetworkKind.CELLULAR_2G), binding.signal)
            assertEquals(Lift.OtherNetwork, binding.liftedBy)

            client.setNetwork(Network(NetworkKind.NONE))
            client.mode.await("offline") { it.mode == Mode.OFFLINE }
            val first = room.send("one")
            val second = room.send("two")
            val waiting = room.why(second)
            assertEquals(Fact.Message(MessageState.Sending), waiting.facts.first())
            assertContains(waiting.facts, Fact.Queue(2, first))
            assertEquals(
                "Sending: second in the queue of this room, behind $first, " +
                    "which waits for the network.",
                waiting.sentence,
            )
            assertFalse(assertIs<Fact.Room>(room.why().facts.first()).fresh)
            failure<TidewireException.UnknownMessage> { room.why(UUID.randomUUID().toString()) }

            client.setAppState(AppState.SUSPENDED)
            assertContains(room.why(second).facts, Fact.Suspended)
            client.setAppState(AppState.FOREGROUND)
            client.setNetwork(Network(NetworkKind.WIFI))
            timeline.awaitSent(listOf("one", "two"))
            assertTrue(room.why(second).facts.any { it is Fact.InLog })
        }

    // scenario: budget
    @Test
    fun `with a budget of zero it reads when it is asked and says what it spent`() =
        scene {
            val theirs = open(grace).directRoom(ada)
            val theirTimeline = theirs.timeline()
            val client = open(settings(ada).copy(budget = Budget(maxWakeupsPerHour = 0)))
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            client.mode.await("the budget") { it.reason == ModeReason.Budget }
            theirs.send("unheard")
            theirTimeline.awaitSent(listOf("unheard"))
            assertNull(client.budget().nextReadMs)

            // A send is never held back, and the news ride along.
            room.send("mine")
            timeline.awaitSent(listOf("unheard", "mine"))
            theirTimeline.awaitSent(listOf("unheard", "mine"))
            val spent = client.budget()
            assertTrue(spent.exceeded && spent.wakeups.spent > 0, "$spent")
            assertEquals(0, spent.wakeups.limit)
            assertNull(spent.bytes.limit)

            client.setBudget(Budget())
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            assertTrue(client.refreshOnce(30.seconds).complete)
        }

    // scenario: recorder
    @Test
    fun `what it was given and decided is recorded without what was said`() =
        scene {
            for (verbatim in listOf(false, true)) {
                val file = folder().resolve("recording.jsonl")
                val recording = Recording(file.toString(), verbatim)
                val user = "ada-${UUID.randomUUID()}"
                val client = open(settings(user).copy(record = recording))
                val room = client.directRoom(grace)
                room.send("a lighthouse in the fog")
                room.timeline().awaitSent(listOf("a lighthouse in the fog"))
                client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
                val token = Stage.token(user)
                client.shutdown()
                val text = file.readText()
                assertTrue(text.startsWith("{\"tidewire_recording\":"), text.take(80))
                assertTrue(text.endsWith("{\"end\":\"closed\"}\n"), text.takeLast(80))
                assertContains(text, "{\"out\":\"tell mode RealTime because Unbound\"}")
                assertFalse(token.substringAfterLast('.') in text, "a token is in it")
                assertEquals(verbatim, "lighthouse" in text)
                assertEquals(verbatim, user in text)
            }
            val nowhere = settings(ada).copy(record = Recording("/nowhere/at/all"))
            failure<TidewireException.StoreFailed> { open(nowhere) }
        }
}
