package dev.tidewire

import java.nio.file.Files
import java.nio.file.Path
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class UploadsTest {
    private fun file(name: String, bytes: Int): Path {
        val path = Files.createTempDirectory("tidewire").resolve(name)
        return Files.write(path, Random(7).nextBytes(bytes))
    }

    // scenario: upload
    @Test
    fun `a file shows at once and arrives whole through a cut`() =
        scene {
            val room = open(ada).directRoom(grace)
            val timeline = room.timeline()
            val other = open(grace)
            val theirs = other.directRoom(ada).timeline()
            val bytes = 3 * 1024 * 1024
            val cliff = file("cliff.png", bytes)
            val original = Files.readAllBytes(cliff)
            world.cut()
            val id = room.sendFiles(listOf(NewFile(cliff.toString(), width = 30, height = 20)), "The way up")
            val waiting =
                timeline.rows.await("it waits") { state ->
                    state.messages.any { it.id == id && it.outgoing.size == 1 }
                }
            val outgoing = waiting.messages.single { it.id == id }.outgoing.single()
            assertEquals("cliff.png" to "image/png", outgoing.name to outgoing.contentType)
            assertEquals(bytes.toLong(), outgoing.size)
            assertFalse(outgoing.uploaded)
            // The client has its own.
            Files.delete(cliff)
            assertTrue(Files.exists(Path.of(outgoing.path)))
            world.mend()
            val listed =
                theirs.rows
                    .await("the file") { state -> state.messages.any { it.attachments.isNotEmpty() } }
                    .messages
                    .single { it.id == id }
                    .attachments
                    .single()
            assertEquals(listOf(30, 20), listOf(listed.width, listed.height))
            other.download(listed).use { download ->
                download.file().use { assertContentEquals(original, Files.readAllBytes(it.path)) }
            }
            timeline.rows.await("it is sent") { state ->
                state.messages.any { it.id == id && it.outgoing.isEmpty() && it.attachments.isNotEmpty() }
            }
        }

    @Test
    fun `a file that can not be sent says why`() =
        scene {
            val room = open(ada).directRoom(grace)
            val missing =
                failure<TidewireException.FileMissing> {
                    room.sendFiles(listOf(NewFile("/nowhere/at/all.png")))
                }
            assertEquals("/nowhere/at/all.png", missing.path)
            val empty = file("empty.txt", 0).toString()
            val unusable =
                failure<TidewireException.FileUnusable> { room.sendFiles(listOf(NewFile(empty))) }
            assertEquals(empty, unusable.path)
        }
}
