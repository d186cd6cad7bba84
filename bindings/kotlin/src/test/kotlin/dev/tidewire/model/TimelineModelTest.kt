package dev.tidewire.model

import dev.tidewire.MessageState
import dev.tidewire.NewFile
import dev.tidewire.Scene
import dev.tidewire.TidewireException
import dev.tidewire.TimelineRow
import dev.tidewire.TimelineStart
import dev.tidewire.await
import dev.tidewire.awaitSent
import dev.tidewire.message
import dev.tidewire.said
import dev.tidewire.scene
import dev.tidewire.texts
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.job
import java.nio.file.Files
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class TimelineModelTest {
    @Test
    fun `what is written shows at once when it is sent, and the field is empty`() =
        scene {
            val room = open(ada).directRoom(grace)
            screen { screen ->
                val model = TimelineModel(room, screen)
                world.cut()
                model.write("Hello")
                model.send()
                assertEquals("", model.text.value)
                val waiting = model.state.await("the message") { it.message("Hello") != null }
                assertEquals(MessageState.Sending, waiting.said.single().state)
                world.mend()
                val sent = model.state.await("it, sent") { it.said.singleOrNull()?.state?.isSent == true }
                assertEquals(waiting.said.single().id, sent.said.single().id)
                assertNull(model.problem.value)
            }
        }

    @Test
    fun `a screen that closes in the same breath takes no message with it`() =
        scene {
            val room = open(ada).directRoom(grace)
            val screen = newScreen()
            val model = TimelineModel(room, screen)
            model.write("the last word")
            model.send()
            screen.coroutineContext.job.cancelAndJoin()
            room.timeline().awaitSent(listOf("the last word"))
            assertTrue(room.draft().isNullOrEmpty())
        }

    @Test
    fun `what could not be sent stands in the field again, with the reason`() =
        scene {
            val room = open(ada).directRoom(grace)
            screen { screen ->
                val model = TimelineModel(room, screen)
                val long = "x".repeat(9_000)
                model.write(long)
                model.send()
                assertIs<TidewireException.InvalidMessage>(model.problem.filterNotNull().await("a problem") { true })
                assertEquals(long, model.text.value)
                model.settle()
                assertNull(model.problem.value)
            }
        }

    @Test
    fun `what is half written is there when the room is opened again`() =
        scene {
            val room = open(ada).directRoom(grace)
            screen { TimelineModel(room, it).apply { write("half a tho") } }
            assertEquals("half a tho", room.draft())
            screen { screen ->
                val model = TimelineModel(room, screen)
                model.text.await("the draft") { it == "half a tho" }
                model.write("half a thought")
                model.send()
                model.state.await("the message") { it.message("half a thought") != null }
            }
            assertTrue(room.draft().isNullOrEmpty())
        }

    @Test
    fun `older messages come page by page up to the first one`() =
        scene {
            val room = open(ada).directRoom(grace)
            repeat(120) { room.send("number $it") }
            room.timeline().rows.await("all sent") { state -> state.said.all { it.state.isSent } }
            val peer = open(grace)
            screen { screen ->
                val model = TimelineModel(peer.directRoom(ada), screen)
                var state = model.state.await("the newest") { it.message("number 119") != null }
                while (state.moreBefore) {
                    val count = state.rows.size
                    model.loadOlder()
                    // A second wish while one is on its way is the same wish.
                    model.loadOlder()
                    state = model.state.await("older ones") { it.rows.size > count || !it.moreBefore }
                    model.loading.awaitValue(false)
                }
                assertEquals(List(120) { "number $it" }, state.texts)
            }
        }

    @Test
    fun `what was seen is read for the others, and never goes back`() =
        scene {
            val room = open(ada).directRoom(grace)
            val first = room.send("one")
            val second = room.send("two")
            val peer = open(grace)
            screen { screen ->
                val model = TimelineModel(peer.directRoom(ada), screen)
                val state = model.state.await("both") { it.said.size == 2 && it.said.all { it.seq != null } }
                val (one, two) = state.said.map { checkNotNull(it.seq) }
                model.seen(two)
                model.seen(one)
                val mine = room.timeline()
                mine.rows.await("both read") { shown ->
                    shown.said.map { it.id } == listOf(first, second) &&
                        shown.said.all { it.state == MessageState.Read }
                }
                assertEquals(0, peer.rooms().single().unread.messages)
            }
        }

    @Test
    fun `marks, edits and deletions go out from the model`() =
        scene {
            val room = open(ada).directRoom(grace)
            val other = open(grace).directRoom(ada).timeline()
            screen { screen ->
                val model = TimelineModel(room, screen)
                model.write("Helo")
                model.send()
                val message = model.state.await("it, sent") { it.said.any { it.state.isSent } }.said.single()
                model.edit(message.id, "Hello")
                model.react(message.id, "👍")
                other.rows.await("edited, with a mark") { state ->
                    state.message("Hello")?.reactions?.singleOrNull()?.key == "👍"
                }
                model.state.await("the own mark") { it.message("Hello")?.reactions?.singleOrNull()?.mine == true }
                model.react(message.id, "👍")
                other.rows.await("no mark") { it.message("Hello")?.reactions?.isEmpty() == true }
                model.write("Indeed")
                model.reply(message.id)
                other.rows.await("a quote") { it.message("Indeed")?.replyTo?.id == message.id }
                model.delete(message.id)
                other.rows.await("the deletion") { state ->
                    state.messages.any { it.id == message.id && it.deleted != null }
                }
            }
        }

    @Test
    fun `files go out with what was written`() =
        scene {
            val room = open(ada, folder()).directRoom(grace)
            val file = Files.write(folder().resolve("note.txt"), ByteArray(1_000) { it.toByte() })
            screen { screen ->
                val model = TimelineModel(room, screen)
                model.write("Look")
                model.sendFiles(listOf(NewFile(file.toString())))
                assertEquals("", model.text.value)
                val sent =
                    model.state.await("the file, sent") { state ->
                        state.message("Look")?.attachments?.isNotEmpty() == true
                    }
                assertEquals("note.txt", sent.message("Look")?.attachments?.single()?.name)
                model.sendFiles(listOf(NewFile("/nowhere/at-all")))
                assertIs<TidewireException.FileMissing>(model.problem.filterNotNull().await("a problem") { true })
            }
        }

    @Test
    fun `a jump shows another place, and leads back to the newest`() =
        scene {
            val room = open(ada).directRoom(grace)
            repeat(150) { room.send("number $it") }
            val all = room.timeline().rows.await("all sent") { state -> state.said.all { it.state.isSent } }
            val last = checkNotNull(all.message("number 149")?.seq)
            screen { screen ->
                val model = TimelineModel(open(grace).directRoom(ada), screen)
                model.state.await("the newest") { it.message("number 149") != null }
                model.jump(TimelineStart.Seq(last - 140))
                val around = model.state.await("far above") { it.message("number 9") != null }
                assertTrue(around.rows.none { it is TimelineRow.Gap })
                model.jump(TimelineStart.Newest)
                model.state.await("the newest again") { it.message("number 149") != null }
                model.state.await("no more") { !it.moreAfter }
            }
        }

    @Test
    fun `who types is seen, and a model whose client ends says nothing more`() =
        scene {
            val client = open(ada)
            val room = client.directRoom(grace)
            val peer = open(grace).directRoom(ada)
            screen { screen ->
                val model = TimelineModel(room, screen)
                model.state.await("an open timeline") { it.rows.isNotEmpty() }
                val other = TimelineModel(peer, screen)
                other.state.await("the peer's") { it.rows.isNotEmpty() }
                other.write("H")
                model.typists.await("who types") { grace in it }
                client.shutdown()
                model.write("nobody hears it")
                model.send()
                model.loadOlder()
                model.text.await("what was not sent") { it == "nobody hears it" }
                assertNull(model.problem.value)
                assertNotNull(model.state.value.rows)
            }
        }
}

/** A screen that is there for as long as this takes. */
internal suspend fun Scene.screen(show: suspend (CoroutineScope) -> Unit) {
    val screen = newScreen()
    try {
        show(screen)
    } finally {
        screen.coroutineContext.job.cancelAndJoin()
    }
}

/** What a view model has: a scope of its own. */
internal fun Scene.newScreen(): CoroutineScope = CoroutineScope(coroutineContext + Job())

internal suspend fun Flow<Boolean>.awaitValue(value: Boolean) {
    await("$value") { it == value }
}
