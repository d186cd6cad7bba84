package dev.tidewire

import java.io.File
import java.io.RandomAccessFile
import java.nio.file.Path
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class AccountsTest {
    private fun accounts(folder: Path): List<File> = folder.toFile().listFiles().orEmpty().toList()

    // scenario: logout
    @Test
    fun `a logout loses nothing unasked and leaves nothing behind`() =
        scene {
            val folder = folder()
            val client = open(ada, folder)
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            room.send("before")
            timeline.awaitSent(listOf("before"))
            client.goOffline()
            for (text in listOf("one", "two")) room.send(text)
            val refused = failure<TidewireException.PendingSends> { client.logout(Logout.KEEP) }
            assertEquals(2, refused.pending)
            assertEquals("2 messages were not sent yet", refused.message)
            assertTrue(refused.isTemporary)
            // Nothing has changed: they go out.
            client.goOnline()
            timeline.awaitSent(listOf("before", "one", "two"))
            assertEquals(1, accounts(folder).size)
            client.logout(Logout.KEEP)
            assertEquals(emptyList(), accounts(folder))
            failure<TidewireException.Closed> { client.rooms() }
            failure<TidewireException.Closed> { client.logout(Logout.KEEP) }

            // Whoever comes back has what was sent, and nothing else.
            val again = open(ada, folder)
            val same = again.directRoom(grace)
            same.timeline().awaitSent(listOf("before", "one", "two"))
            again.goOffline()
            same.send("given up")
            again.logout(Logout.DISCARD)
            assertEquals(emptyList(), accounts(folder))
            open(grace).directRoom(ada).timeline().awaitSent(listOf("before", "one", "two"))
        }

    // scenario: two-accounts
    @Test
    fun `two accounts of one folder see nothing of each other`() =
        scene {
            val folder = folder()
            val clients = listOf(open(ada, folder), open(grace, folder))
            val rooms =
                clients.map { client ->
                    val room = client.createGroup(client.user, emptyList())
                    room.send("what only ${client.user} says")
                    room
                }
            assertEquals(2, accounts(folder).size)
            for ((index, client) in clients.withIndex()) {
                assertEquals(listOf(rooms[index].id), client.rooms().map { it.id })
                val other = client.room(rooms[1 - index].id)
                failure<TidewireException.UnknownRoom> { other.timeline() }
            }
            // One ends, the other does not notice.
            clients[0].logout(Logout.DISCARD)
            assertEquals(1, accounts(folder).size)
            rooms[1].send("still here")
            clients[1].shutdown()
            assertEquals(1, open(grace, folder).rooms().size)
        }

    // scenario: damaged-cache
    @Test
    fun `a damaged cache comes from the server again and what was not sent goes out`() =
        scene {
            val folder = folder()
            val client = open(ada, folder)
            val room = client.directRoom(grace)
            room.send("sent")
            room.timeline().awaitSent(listOf("sent"))
            client.goOffline()
            room.send("not sent")
            client.shutdown()
            RandomAccessFile(File(accounts(folder).single(), "tidewire.db"), "rw").use { file ->
                file.write(ByteArray(4_096))
            }

            val again = open(ada, folder)
            // The event of it may have been told before anybody listened.
            val repair = assertNotNull(again.cacheReport().repair)
            assertTrue(repair.cache && repair.complete && repair.reason.isNotEmpty())
            again.directRoom(grace).timeline().awaitSent(listOf("sent", "not sent"))
            open(grace).directRoom(ada).timeline().awaitSent(listOf("sent", "not sent"))
            again.shutdown()
            // Mended once, it stays so.
            val report = open(ada, folder).cacheReport()
            assertNull(report.repair)
            assertTrue(report.files.used > 0 && report.disk.bytes >= report.files.used)
            val expected = listOf(report.memory, report.disk, report.server).map { it.expectedMs }
            assertEquals(listOf(1L, 10L, 100L), expected)
        }
}
