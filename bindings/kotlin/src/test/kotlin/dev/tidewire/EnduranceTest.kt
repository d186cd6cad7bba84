package dev.tidewire

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import java.io.File
import java.nio.file.Path
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.microseconds

class EnduranceTest {
    @Test
    fun `a thousand clients that come and go leave no thread, no file and no memory behind`() =
        scene {
            val folder = folder()
            repeat(100) { comeAndGo(it, folder) }
            val before = held()
            repeat(1_000) { comeAndGo(it, folder) }
            held().isNoMoreThan(before)
        }

    @Test
    fun `three thousand cancelled calls leave nothing behind, and the client works on`() =
        scene {
            val client = open(ada, folder())
            val room = client.directRoom(grace)
            repeat(20) { room.send("number $it") }
            val timeline = room.timeline()
            timeline.awaitSent(List(20) { "number $it" })
            val random = Random(23)
            repeat(300) { cancelled(client, room, timeline, random, it) }
            val before = held()
            repeat(3_000) { cancelled(client, room, timeline, random, it) }
            held().isNoMoreThan(before)
            val last = room.send("the last word")
            timeline.awaitMessage(last, "it, sent") { it.state.isSent }
        }

    /** Every other one in memory, on its way to a connection when it ends. */
    private suspend fun Scene.comeAndGo(number: Int, folder: Path) {
        val data = if (number % 2 == 0) folder.toString() else null
        val client = TidewireClient.open(settings(ada).copy(dataDir = data)) { Stage.token(ada) }
        client.mode.first()
        if (number % 3 == 0) client.rooms()
        if (number % 5 == 0) client.roomList().use { it.rows.first() }
        if (number % 2 == 0) client.shutdown() else client.close()
    }

    private suspend fun Scene.cancelled(
        client: TidewireClient,
        room: Room,
        timeline: Timeline,
        random: Random,
        number: Int,
    ) {
        val call =
            launch(Dispatchers.Default) {
                when (number % 8) {
                    0 -> timeline.rows.collect { }
                    1 -> room.timeline(TimelineStart.Seq(1)).close()
                    2 -> client.search("number")
                    3 -> timeline.loadOlder()
                    4 -> client.roomList().use { list -> list.rows.collect { } }
                    5 -> client.unreadTotal.collect { }
                    6 -> room.members()
                    else -> room.setDraft("draft $number")
                }
            }
        delay(random.nextInt(2_000).microseconds)
        call.cancel()
        call.join()
    }
}

/** What a process holds. */
private data class Held(
    val threads: Int,
    val files: Int,
    val bytes: Long,
)

/** After everything that can go has gone; on Linux all of it, elsewhere the threads that Java knows. */
private suspend fun held(): Held {
    var held = look()
    // What is closed goes in its own time: looked at until nothing goes any more.
    var calm = 0
    while (calm < CALM) {
        System.gc()
        delay(100)
        val now = look()
        calm = if (now.threads < held.threads || now.files < held.files) 0 else calm + 1
        held = now
    }
    return held
}

private fun look(): Held {
    val process = File("/proc/self")
    if (!process.exists()) return Held(Thread.activeCount(), files = 0, bytes = 0)
    fun status(name: String) =
        Regex("$name:\\s+(\\d+)").find(process.resolve("status").readText())?.groupValues?.get(1)?.toLong() ?: 0
    val files = process.resolve("fd").list()?.size ?: 0
    return Held(status("Threads").toInt(), files, status("VmRSS") * 1024)
}

/** A few threads and files belong to Java, which starts them when it likes; one for each client would be hundreds. */
private fun Held.isNoMoreThan(before: Held) {
    assertTrue(threads <= before.threads + 20, "threads: $before, then $this")
    assertTrue(files <= before.files + 20, "files: $before, then $this")
    // 64 KB for each client or 20 KB for each call would be more.
    assertTrue(bytes <= before.bytes + 64_000_000, "memory: $before, then $this")
}

private const val CALM = 10
