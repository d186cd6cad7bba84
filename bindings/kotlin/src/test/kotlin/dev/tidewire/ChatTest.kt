package dev.tidewire

import kotlinx.coroutines.async
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue

class ChatTest {
    // scenario: connect
    @Test
    fun `a client gets to real-time by itself and says why the mode is what it is`() =
        scene {
            val client = open(ada)
            assertEquals(ada, client.user)
            val live = client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            assertEquals(ModeReason.Unbound, live.reason)
            assertTrue(live.reasonText.isNotBlank())

            client.setNetwork(Network(NetworkKind.NONE))
            val offline = client.mode.await("offline") { it.mode == Mode.OFFLINE }
            assertEquals(ModeReason.Network(NetworkKind.NONE), offline.reason)
            client.setNetwork(Network(NetworkKind.CELLULAR, metered = true, constrained = true))
            val saving = client.mode.await("hybrid") { it.mode == Mode.HYBRID }
            assertEquals(ModeReason.DataSaver, saving.reason)
            client.setNetwork(Network(NetworkKind.WIFI))
            client.mode.await("real-time again") { it.mode == Mode.REAL_TIME }
            client.setModeCeiling(Mode.POLLING)
            val held = client.mode.await("polling") { it.mode == Mode.POLLING }
            assertEquals(ModeReason.Ceiling, held.reason)
        }

    // scenario: connect
    @Test
    fun `rooms are listed for both sides`() =
        scene {
            val client = open(ada)
            val direct = client.directRoom(grace)
            val group = client.createGroup("Tea", listOf(grace))
            assertEquals(direct, client.directRoom(grace), "one room for each pair")

            val rooms = client.rooms().associateBy { it.id }
            assertEquals(setOf(direct.id, group.id), rooms.keys)
            assertEquals(RoomKind.DIRECT, rooms.getValue(direct.id).kind)
            assertEquals(grace, rooms.getValue(direct.id).peer)
            assertEquals("Tea", rooms.getValue(group.id).name)
            assertEquals(Role.OWNER, rooms.getValue(group.id).role)

            val other = open(grace)
            other.events.await("both rooms") { other.roomIds() == rooms.keys }
        }

    @Test
    fun `an event of the app's own kind arrives as it was given`() =
        scene {
            val room = open(ada).directRoom(grace)
            val theirs = open(grace).directRoom(ada).timeline()
            val content = """{"z": 1.50, "a": [null, "🌊"]}"""
            val id = room.sendAs("com.example.poll", content)
            val arrived = theirs.awaitMessage(id, "it") { it.seq != null }
            assertEquals("com.example.poll", arrived.kind)
            assertEquals(content, arrived.contentJson)
            assertNull(arrived.text)
            val wrong =
                listOf(
                    "com.example.poll" to "{",
                    "room.created" to "{}",
                    "member.joined" to "{}",
                    "" to "{}",
                    "k".repeat(65) to "{}",
                    "message" to """{"text": 1}""",
                    "com.example.poll" to "\"${"x".repeat(32_768)}\"",
                )
            for ((kind, json) in wrong) {
                failure<TidewireException.InvalidMessage>(kind) { room.sendAs(kind, json) }
            }
        }

    // scenario: optimistic-send
    @Test
    fun `a message shows at once and becomes sent under the same id`() =
        scene {
            val room = open(ada).directRoom(grace)
            val timeline = room.timeline()
            world.cut()
            val id = room.send("Hello")
            val shown = timeline.rows.await("the message") { it.message("Hello") != null }
            val message = shown.said.single()
            assertEquals(id, message.id)
            assertEquals(MessageState.Sending, message.state)
            assertNull(message.seq)

            world.mend()
            // On the way there it is one row at any time: more than one is an error.
            val sent = timeline.awaitSent(listOf("Hello")).said.single()
            assertEquals(id, sent.id)
            assertTrue((sent.seq ?: 0) > 0)
            timeline.close()
        }

    // scenario: receive
    @Test
    fun `what others send arrives once and in order, in whatever script`() =
        scene {
            val room = open(ada).directRoom(grace)
            val other = open(grace).directRoom(ada)
            assertEquals(room.id, other.id)
            val timeline = other.timeline()
            val texts =
                listOf(
                    "Hello",
                    "👩🏽‍🚀 🏳️‍🌈 𝄞 é",
                    "שלום עולם",
                    "مرحبا ‏(123)‏ Grace",
                    "日本語 ไทย हिन्दी",
                    "line\nfeed\ttab \"quotes\" \\ \u0000 \uFEFF \uFFFD",
                ) + List(50) { "number $it" }
            val arrived = async { timeline.awaitSent(texts) }
            for (text in texts) room.send(text)
            val messages = arrived.await().said
            assertTrue(messages.all { it.sender == ada && it.room == room.id })
            assertEquals(messages.map { it.seq }, messages.map { it.seq }.sortedBy { it })
        }

    // scenario: receive
    @Test
    fun `mentions and the app's own fields arrive as they were sent`() =
        scene {
            val room = open(ada).directRoom(grace)
            room.send("Hi @grace", mentions = listOf(grace), metadataJson = """{"colour":"teal"}""")
            val timeline = open(grace).directRoom(ada).timeline()
            val message = timeline.awaitSent(listOf("Hi @grace")).said.single()
            assertEquals(listOf(grace), message.mentions)
            assertEquals("""{"colour":"teal"}""", message.metadataJson)
            assertEquals("message", message.kind)
        }

    // scenario: lost-answer
    @Test
    fun `a send whose answer was lost creates no second message`() =
        scene {
            val room = open(ada).directRoom(grace)
            val timeline = room.timeline()
            world.loseNextAnswer()
            room.send("once")
            timeline.awaitSent(listOf("once"))
            room.send("and then")
            val other = open(grace).directRoom(ada).timeline()
            assertEquals(
                timeline.awaitSent(listOf("once", "and then")).said.map { it.id },
                other.awaitSent(listOf("once", "and then")).said.map { it.id },
            )
        }

    @Test
    fun `older messages come from the server and settle before the newer ones`() =
        scene {
            val room = open(ada).directRoom(grace)
            val texts = List(120) { "number $it" }
            val own = room.timeline()
            for (text in texts) room.send(text)
            own.rows.await("the last") { it.message(texts.last())?.state?.isSent == true }

            val timeline = open(grace).directRoom(ada).timeline()
            var state = timeline.rows.await("the newest") { it.texts.lastOrNull() == texts.last() }
            while (state.moreBefore) {
                val older = timeline.loadOlder(50)
                val before = state.rows.size
                state =
                    timeline.rows.await("older ones") {
                        it.moreBefore == older.more && it.rows.size >= before + older.added
                    }
            }
            assertEquals(texts, state.texts)
        }
}

private suspend fun TidewireClient.roomIds(): Set<String> = rooms().map { it.id }.toSet()
