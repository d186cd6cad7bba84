package dev.tidewire.android

import kotlinx.coroutines.runBlocking
import java.io.File
import java.nio.file.Files
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNull

class SealedTokensTest {
    private val folder: File = Files.createTempDirectory("tokens").toFile()
    private val tokens = tokens(key())

    @AfterTest
    fun remove() {
        folder.deleteRecursively()
    }

    @Test
    fun `a token is there again, and not in the clear`() =
        runBlocking {
            assertNull(tokens.load("ada"))
            tokens.save("ada", "eyJ0 of ada 🌊")
            tokens.save("grace", "eyJ0 of grace")
            assertEquals("eyJ0 of ada 🌊", tokens.load("ada"))
            assertEquals("eyJ0 of grace", tokens.load("grace"))
            tokens.save("ada", "the next one")
            assertEquals("the next one", tokens.load("ada"))
            for (file in checkNotNull(folder.listFiles())) {
                assertFalse("ada" in file.name + String(file.readBytes(), Charsets.ISO_8859_1))
            }
            tokens.forget("ada")
            tokens.forget("ada")
            assertNull(tokens.load("ada"))
            assertEquals("eyJ0 of grace", tokens.load("grace"))
        }

    @Test
    fun `what was changed, belongs to another account or another key does not open`() =
        runBlocking {
            tokens.save("ada", "a token")
            val file = checkNotNull(folder.listFiles()).single()
            val sealed = file.readBytes()
            assertNull(tokens(key()).load("ada"), "another key, as after a restore")
            for (at in sealed.indices) {
                val changed = sealed.copyOf().also { it[at] = (it[at].toInt() xor 1).toByte() }
                file.writeBytes(changed)
                assertNull(tokens.load("ada"), "byte $at")
            }
            for (length in sealed.indices) {
                file.writeBytes(sealed.copyOf(length))
                assertNull(tokens.load("ada"), "$length bytes")
            }
            tokens.save("grace", "hers")
            val hers = checkNotNull(folder.listFiles()).single { it != file }
            hers.copyTo(file, overwrite = true)
            assertNull(tokens.load("ada"), "of another account")
            file.writeBytes(sealed)
            assertEquals("a token", tokens.load("ada"))
        }

    private fun tokens(key: SecretKey) = SealedTokens(folder) { key }

    private fun key(): SecretKey = KeyGenerator.getInstance("AES").apply { init(256) }.generateKey()
}
