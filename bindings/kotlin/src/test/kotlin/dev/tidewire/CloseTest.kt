package dev.tidewire

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.firstOrNull
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.time.Duration.Companion.microseconds

class CloseTest {
    // scenario: use-after-close
    @Test
    fun `every call after close says that it is closed`() =
        scene {
            val client = open(ada)
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            val fresh = room.timeline()
            val list = client.roomList()
            timeline.rows.first()
            client.close()
            client.close()
            val calls =
                mapOf<String, suspend () -> Unit>(
                    "setAppState" to { client.setAppState(AppState.BACKGROUND) },
                    "rooms" to { client.rooms() },
                    "createGroup" to { client.createGroup("Tea", listOf(grace)) },
                    "directRoom" to { client.directRoom(grace) },
                    "events" to { client.events.collect() },
                    "setNetwork" to { client.setNetwork(Network(NetworkKind.NONE)) },
                    "setModeCeiling" to { client.setModeCeiling(Mode.OFFLINE) },
                    "send" to { room.send("too late") },
                    "markRead" to { room.markRead(1) },
                    "refreshOnce" to { client.refreshOnce(PATIENCE) },
                    "setPower" to { client.setPower(true) },
                    "retry" to { room.retry(room.id) },
                    "discard" to { room.discard(room.id) },
                    "cancel" to { room.cancel(room.id) },
                    "sendWith" to { room.sendWith("too late") },
                    "timeline" to { room.timeline() },
                    "rows" to { timeline.rows.collect() },
                    "batches" to { fresh.batches.collect() },
                    "loadOlder" to { timeline.loadOlder() },
                    "loadNewer" to { timeline.loadNewer() },
                    "thread" to { room.thread(room.id) },
                    "search" to { client.search("late") },
                    "fillGap" to { timeline.fillGap(TimelineRow.Gap(1, 2)) },
                    "sendAs" to { room.sendAs("app", "{}") },
                    "reply" to { room.reply(room.id, "too late") },
                    "sendInThread" to { room.sendInThread(room.id, "too late") },
                    "edit" to { room.edit(room.id, "too late") },
                    "delete" to { room.delete(room.id) },
                    "react" to { room.react(room.id, "👍") },
                    "unreact" to { room.unreact(room.id, "👍") },
                    "setDraft" to { room.setDraft("too late") },
                    "draft" to { room.draft() },
                    "setSettings" to { room.setSettings(RoomSettings()) },
                    "mute" to { room.mute() },
                    "pin" to { room.pin() },
                    "archive" to { room.archive() },
                    "members" to { room.members() },
                    "addMembers" to { room.addMembers(listOf(grace)) },
                    "removeMember" to { room.removeMember(grace) },
                    "leave" to { room.leave() },
                    "setRole" to { room.setRole(grace, Role.OWNER) },
                    "update" to { room.update(RoomUpdate("Tea")) },
                    "roomList" to { client.roomList() },
                    "setVisible" to { list.setVisible(0, 1) },
                    "the list's rows" to { list.rows.collect() },
                    "the list's batches" to { list.batches.collect() },
                    "unreadTotal" to { client.unreadTotal.collect() },
                    "cacheReport" to { client.cacheReport() },
                    "logout" to { client.logout(Logout.DISCARD) },
                )
            // Right after `close`, and when all is gone.
            repeat(2) {
                for ((name, call) in calls) {
                    val error = failure<TidewireException.Closed>(name) { withTimeout(PATIENCE) { call() } }
                    assertEquals("this was closed", error.message)
                    assertFalse(error.isTemporary)
                }
                client.shutdown()
                client.shutdown()
                client.close()
            }
            // What is no call still answers.
            assertEquals(ada, client.user)
            client.mode.value
            assertEquals(room, client.room(room.id))
            repeat(2) { timeline.close() }
            fresh.close()
        }

    // scenario: use-after-close
    @Test
    fun `a closed timeline says so, and its client goes on`() =
        scene {
            val room = open(ada).directRoom(grace)
            val timeline = room.timeline()
            val started = CompletableDeferred<Unit>()
            val collecting = async { timeline.rows.collect { started.complete(Unit) } }
            started.await()
            timeline.close()
            timeline.close()
            // A collection that is under way ends, one that begins fails.
            withTimeout(PATIENCE) { collecting.await() }
            failure<TidewireException.Closed>("rows") { timeline.rows.collect() }
            failure<TidewireException.Closed>("batches") { timeline.batches.collect() }
            failure<TidewireException.Closed>("loadOlder") { timeline.loadOlder() }
            failure<TidewireException.Closed>("fillGap") { timeline.fillGap(TimelineRow.Gap(1, 2)) }
            room.send("still here")
            room.timeline().awaitSent(listOf("still here"))
        }

    // scenario: use-after-close
    @Test
    fun `what is collected while the client is closed ends, without an error`() =
        scene {
            val client = open(ada)
            val timeline = client.directRoom(grace).timeline()
            timeline.rows.first()
            val started = CompletableDeferred<Unit>()
            val collectors =
                listOf(
                    async { timeline.rows.collect { started.complete(Unit) } },
                    async(start = CoroutineStart.UNDISPATCHED) { client.events.collect() },
                )
            started.await()
            client.close()
            withTimeout(PATIENCE) { collectors.awaitAll() }
        }

    // scenario: use-after-close
    @Test
    fun `calls and closing at the same moment give an answer or say that it is closed`() =
        scene {
            val random = Random(17)
            repeat(40) {
                val client = open(ada)
                val callers =
                    List(6) { which ->
                        async(Dispatchers.IO) {
                            failure<TidewireException.Closed>("caller $which") {
                                while (true) {
                                    when (which) {
                                        0 -> client.rooms()
                                        1 -> client.setAppState(AppState.FOREGROUND)
                                        2 -> client.events.firstOrNull()
                                        3 -> client.setModeCeiling(Mode.REAL_TIME)
                                        4 -> unknownRoomIsFine { client.room(NO_ROOM).timeline().close() }
                                        else -> unknownRoomIsFine { client.room(NO_ROOM).send("Hello") }
                                    }
                                }
                            }
                        }
                    }
                delay(random.nextInt(10_000).microseconds)
                listOf(
                    launch { client.close() },
                    launch { client.shutdown() },
                    launch(Dispatchers.IO) { client.close() },
                ).forEach { it.join() }
                withTimeout(PATIENCE) { callers.awaitAll() }
            }
        }

    // scenario: use-after-close
    @Test
    fun `a client that is shut down has freed its folder`() =
        scene {
            val folder = folder()
            repeat(20) {
                val client = open(ada, folder)
                val error = failure<TidewireException.FolderInUse> { open(ada, folder) }
                assertEquals(true, error.path.startsWith(folder.toString()), error.path)
                client.close()
                client.shutdown()
            }
        }
}

private const val NO_ROOM = "0192f0c1-2b3c-7d4e-8f50-112233445566"

private inline fun unknownRoomIsFine(call: () -> Unit) {
    try {
        call()
    } catch (_: TidewireException.UnknownRoom) {
        return
    }
}
