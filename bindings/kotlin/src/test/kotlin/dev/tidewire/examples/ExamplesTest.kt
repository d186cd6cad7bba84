package dev.tidewire.examples

import dev.tidewire.AppState
import dev.tidewire.Logs
import dev.tidewire.MessageState
import dev.tidewire.Mode
import dev.tidewire.PATIENCE
import dev.tidewire.Stage
import dev.tidewire.await
import dev.tidewire.awaitMessage
import dev.tidewire.awaitSent
import dev.tidewire.message
import dev.tidewire.model.screen
import dev.tidewire.scene
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class ExamplesTest {
    @Test
    fun `the texts show the code that is compiled here, all of it and no other`() {
        val own = "src/test/kotlin/dev/tidewire/examples"
        val android = "android/src/test/kotlin/dev/tidewire/android/examples"
        val sources =
            listOf("$own/ReadmeExample.kt", "$own/GuideExamples.kt", "$android/AndroidExamples.kt")
        val compiled = sources.flatMap { snippets(File(it).readText()) }
        val texts = listOf("README.md", "../../README.md", "../../docs/kotlin.md")
        val shown = texts.flatMap { blocks(File(it)) }
        assertEquals(compiled.sorted(), shown.distinct().sorted())
    }

    @Test
    fun `the first program says hello`() =
        scene {
            val program = { print: PrintStream ->
                launch {
                    val before = System.out
                    System.setOut(print)
                    try {
                        main(arrayOf(world.url, ada, grace, Stage.token(ada)))
                    } finally {
                        System.setOut(before)
                    }
                }
            }
            val said = ByteArrayOutputStream()
            val running = program(PrintStream(said, true, "UTF-8"))
            withTimeout(PATIENCE) {
                while ("$ada: Hello, $grace Sent" !in said.toString("UTF-8")) delay(20)
            }
            running.cancelAndJoin()
        }

    @Test
    fun `the guide's first chat and its models do what it says`() =
        scene {
            val talking = launch { chat(world.url, ada, grace, Stage.token(ada)) }
            val client = open(grace)
            val room = client.directRoom(ada)
            val timeline = room.timeline()
            timeline.awaitSent(listOf("Hello, $grace"))
            room.send("Hello yourself")
            timeline.rows.await("an answer that was read") { it.message("Hello yourself")?.state == MessageState.Read }
            talking.cancelAndJoin()
            val written = folder().resolve("tidewire.log").toFile()
            val logging = launch { log(written.path) }
            withTimeout(PATIENCE) { while (!written.exists()) delay(20) }
            logging.cancelAndJoin()
            Logs.stopWriting()
            screen { screen ->
                val chat = ChatScreen(client, room.id, screen)
                screen.launch { chat.bar() }
                screen.launch { chat.notices() }
                chat.search.find("yourself")
                chat.search.state.await("what was said") { it.hits.size == 1 }
                chat.rooms.state.await("the room") { it.rows.singleOrNull()?.room == room.id }
                chat.chat.state.await("both") { it.message("Hello yourself") != null }
            }
            askSignInServer = { user -> Stage.token(user) }
            assertTrue(job(settings(ada, folder())))
        }

    @Test
    fun `the guide's functions do what it says`() =
        scene {
            askSignInServer = { user -> Stage.token(user) }
            val client = open(world.url, ada, folder().toString())
            val room = rooms(client, grace)
            assertEquals(null, say(room, "Hello"))
            assertTrue("is no valid Unicode" in say(room, "\uD83D").orEmpty())
            val showing = launch { show(room) }
            val timeline = room.timeline()
            val state = timeline.awaitSent(listOf("Hello"))
            assertEquals("✓", mark(state.messages.last()))
            scrollUp(timeline, state)
            val hello = state.messages.last()
            for (choice in listOf("like", "unlike", "like", "correct", "quote", "aside")) {
                onLongPress(room, hello, choice)
            }
            val changed =
                timeline.awaitMessage(hello.id, "changed") { it.replies != null && !it.changing }
            val told = listOf("(edited)", "👍 1 with mine", "1 in its thread")
            assertEquals(told, details(changed))
            timeline.rows.await("a quote") { "> Hello, I mean" in details(it.messages.last()) }
            val quote = timeline.rows.await("the quote") { it.messages.last().replyTo != null }
            val quoted = openQuoted(room, checkNotNull(quote.messages.last().replyTo))
            val around = quoted.rows.await("what is quoted") { it.message("Hello, I mean") != null }
            scrollDown(quoted, around)
            openThread(room, hello).awaitSent(listOf("Hello, I mean", "By the way"))
            val place = share(room, 1.5, 2.5)
            timeline.awaitMessage(place, "the place") { it.contentJson == "[1.5,2.5]" }
            val unread = launch { showUnread(room) }
            onLongPress(room, hello, "remove")
            val gone = timeline.awaitMessage(hello.id, "gone") { it.deleted?.seq != null }
            assertTrue("(deleted)" in details(gone))
            onSeen(room, gone)
            val listing = launch { showRooms(client, flowOf(0, 3)) }
            val counting = launch { badge(client) }
            val group = client.createGroup("Tea", emptyList())
            onSwipe(group)
            onLeaveScreen(group, "half a tho")
            assertEquals("half a tho", onEnterScreen(group))
            invite(group, listOf(grace))
            report(client)
            val found = onLetter(client, "ind")
            assertEquals(listOf("[Indeed]"), found.hits.map { line(it) })
            assertEquals(1, onPause(client, "ind", found).hits.size)
            rename(client, "Ada")
            val naming = launch { names(client, listOf(ada, grace)) }
            val heading = launch { header(client, room, grace) }
            onKey(room)
            onStop(client)
            client.mode.await("polling") { it.mode == Mode.POLLING }
            onStart(client)
            onNetworkLost(client)
            client.mode.await("offline") { it.mode == Mode.OFFLINE }
            onWifi(client)
            client.setAppState(AppState.FOREGROUND)
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            val watching = launch(start = CoroutineStart.UNDISPATCHED) { watch(client) { } }
            watching.cancelAndJoin()
            heading.cancelAndJoin()
            counting.cancelAndJoin()
            naming.cancelAndJoin()
            unread.cancelAndJoin()
            listing.cancelAndJoin()
            room.send("the last word")
            onSignOut(client) { true }
            withTimeout(PATIENCE) { showing.join() }
            val again = open(world.url, ada, folder().toString())
            onQuit(again)
            again.shutdown()
        }
}

/** What stands between `// snippet: name` and `// end`. */
private fun snippets(source: String): List<String> =
    Regex("// snippet: \\w+\n(.*?)// end", RegexOption.DOT_MATCHES_ALL)
        .findAll(source)
        .map { it.groupValues[1].trim() }
        .toList()

/** The Kotlin blocks of a text. */
private fun blocks(text: File): List<String> =
    Regex("```kotlin\n(.*?)```", RegexOption.DOT_MATCHES_ALL)
        .findAll(text.readText())
        .map { it.groupValues[1].trim() }
        .toList()
