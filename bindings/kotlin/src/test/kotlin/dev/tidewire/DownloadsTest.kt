package dev.tidewire

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.toList
import java.nio.file.Files
import java.nio.file.Path
import java.security.MessageDigest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class DownloadsTest {
    private fun sha256(path: Path): String =
        MessageDigest
            .getInstance("SHA-256")
            .digest(Files.readAllBytes(path))
            .joinToString("") { "%02x".format(it) }

    private suspend fun attachment(client: TidewireClient, room: String): Attachment {
        client.events.await("the room") { _ -> client.rooms().any { it.id == room } }
        val listed =
            client.room(room).timeline().use { timeline ->
                timeline.rows
                    .await("the file") { state -> state.messages.any { it.attachments.isNotEmpty() } }
                    .messages
                    .flatMap { it.attachments }
            }
        return listed.single()
    }

    // scenario: download
    @Test
    fun `a file comes whole through a cut and is there without a network afterwards`() =
        scene {
            val bytes = 6 * 1024 * 1024
            val (room, sha256) = Stage.file(grace, ada, bytes)
            val folder = folder()
            val client = open(ada, folder)
            val file = attachment(client, room)
            assertEquals("tides.bin", file.name)
            assertEquals(bytes.toLong() to sha256, file.size to file.sha256)

            world.delay(1)
            val steps = mutableListOf<DownloadProgress>()
            client.download(file).use { download ->
                val told =
                    async(start = CoroutineStart.UNDISPATCHED) { download.progress.toList(steps) }
                // In the middle of it, and once more.
                client.download(file).use { same ->
                    same.progress.await("some of it") { it.bytes >= 1024 * 1024 }
                    world.cut()
                    world.mend()
                    val local = same.file()
                    assertEquals(sha256, sha256(local.path))
                    assertFalse(local.path.toString().contains("tides"))
                    local.close()
                }
                download.file().use { assertEquals(bytes.toLong(), it.size) }
                // It ends with the download.
                told.await()
            }
            assertEquals(DownloadProgress(bytes.toLong(), bytes.toLong()), steps.last())
            assertTrue(steps.zipWithNext().all { (one, next) -> one.bytes <= next.bytes }, "$steps")
            val report = client.cacheReport().downloads
            assertEquals(listOf(1L, 1L), listOf(report.fromServer, report.files))
            assertEquals(bytes.toLong(), report.received, "no byte came twice")
            client.shutdown()

            world.cut()
            val again = open(ada, folder)
            val local = again.download(file).use { it.file() }
            assertEquals(sha256, sha256(local.path))
            assertEquals(1, again.cacheReport().downloads.fromDisk)
            local.close()
            again.logout(Logout.DISCARD)
            assertFalse(Files.exists(local.path))
        }

    @Test
    fun `a download that can not be says why`() =
        scene {
            val client = open(ada)
            client.mode.await("online") { it.mode == Mode.REAL_TIME }
            val file =
                Attachment(
                    id = "00000000-0000-7000-8000-000000000001",
                    key = "0123456789abcdef",
                    name = "a",
                    contentType = "a/b",
                    size = 1,
                    sha256 = "00".repeat(32),
                )
            val refused = failure<TidewireException.Refused> { client.download(file).use { it.file() } }
            assertEquals("unknown_file", refused.code)
            val large = file.copy(size = Long.MAX_VALUE)
            val tooLarge =
                failure<TidewireException.FileTooLarge> { client.download(large).use { it.file() } }
            assertEquals(256L * 1024 * 1024, tooLarge.most)
            failure<TidewireException.InvalidId> { client.download(file.copy(key = "../a")) }
            val download = client.download(file)
            download.close()
            failure<TidewireException.Closed> { download.file() }
        }
}
