package dev.tidewire

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class OfflineTest {
    // scenario: offline-send
    @Test
    fun `what is sent offline survives a restart and arrives once and in order`() =
        scene {
            val folder = folder()
            val texts = List(20) { "number $it" }
            val first = open(ada, folder)
            val id = first.directRoom(grace).id
            world.cut()
            val ids = texts.take(12).map { first.room(id).send(it) }
            first.shutdown()

            val second = open(ada, folder)
            val timeline = second.room(id).timeline()
            val kept = timeline.rows.await("the outbox") { it.texts == texts.take(12) }
            assertEquals(ids, kept.said.map { it.id })
            assertTrue(kept.said.all { it.state == MessageState.Sending })
            assertEquals(12, second.rooms().single().pending)
            texts.drop(12).forEach { second.room(id).send(it) }

            world.mend()
            val sent = timeline.awaitSent(texts)
            val arrived = open(grace).directRoom(ada).timeline().awaitSent(texts)
            assertEquals(sent.said.map { it.id }, arrived.said.map { it.id })
            assertEquals(ids, arrived.said.take(12).map { it.id })
        }

    // scenario: background
    @Test
    fun `to the background and back loses and repeats nothing`() =
        scene {
            val client = open(ada)
            val other = open(grace).directRoom(ada)
            val timeline = client.directRoom(grace).timeline()
            other.send("before")
            timeline.awaitSent(listOf("before"))

            client.setAppState(AppState.BACKGROUND)
            val away = client.mode.await("polling") { it.mode == Mode.POLLING }
            assertEquals(ModeReason.App(AppState.BACKGROUND), away.reason)
            val texts = listOf("before") + List(10) { "meanwhile $it" }
            texts.drop(1).forEach { other.send(it) }

            client.setAppState(AppState.SUSPENDED)
            val frozen = client.mode.await("offline") { it.mode == Mode.OFFLINE }
            assertEquals(ModeReason.App(AppState.SUSPENDED), frozen.reason)
            other.send("while frozen")

            client.setAppState(AppState.FOREGROUND)
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            timeline.awaitSent(texts + "while frozen")
            other.send("after")
            timeline.awaitSent(texts + "while frozen" + "after")
        }

    // scenario: server-down
    @Test
    fun `without its server a client shows what is cached and goes on afterwards`() =
        scene {
            val folder = folder()
            val first = open(ada, folder)
            val room = first.directRoom(grace)
            room.send("from before")
            room.timeline().awaitSent(listOf("from before"))
            first.shutdown()

            world.cut()
            // Not even a token is to be had.
            var signedIn = false
            val client =
                open(ada, folder) { if (signedIn) Stage.token(ada) else error("no sign-in server") }
            assertEquals("from before", client.rooms().single().lastEvent?.text)
            val timeline = client.room(room.id).timeline()
            val shown = timeline.rows.await("the cache") { it.texts == listOf("from before") }
            assertEquals(true, shown.message("from before")?.state?.isSent)
            client.room(room.id).send("queued")
            val queued = timeline.rows.await("the queued one") { it.message("queued") != null }
            assertEquals(MessageState.Sending, queued.message("queued")?.state)

            signedIn = true
            world.mend()
            timeline.awaitSent(listOf("from before", "queued"))
            open(grace).directRoom(ada).timeline().awaitSent(listOf("from before", "queued"))
        }

    @Test
    fun `what needs the server fails at once without a network, and says what it needs`() =
        scene {
            val client = open(ada)
            client.setNetwork(Network(NetworkKind.NONE))
            client.mode.await("offline") { it.mode == Mode.OFFLINE }
            val error = failure<TidewireException.Offline> { client.createGroup("Tea", listOf(grace)) }
            assertTrue(error.isTemporary)
            assertEquals("this needs the server, and there is no connection now", error.message)
        }
}
