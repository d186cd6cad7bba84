package dev.tidewire.android

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.file.AtomicMoveNotSupportedException
import java.nio.file.Files
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardCopyOption.REPLACE_EXISTING
import java.security.GeneralSecurityException
import java.security.MessageDigest
import javax.crypto.Cipher
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Tokens in files, one for each account, sealed with AES-GCM. What is found under another account's name,
 * or was changed, does not open.
 *
 * @param key the key, made if there is none. Asked for on a thread that may wait.
 */
internal class SealedTokens(
    private val folder: File,
    private val key: () -> SecretKey,
) {
    suspend fun save(account: String, token: String): Unit =
        withContext(Dispatchers.IO) {
            val cipher = Cipher.getInstance(CIPHER)
            // The key store insists on choosing the nonce itself.
            cipher.init(Cipher.ENCRYPT_MODE, key())
            cipher.updateAAD(account.toByteArray())
            val sealed = cipher.doFinal(token.toByteArray())
            val bytes = byteArrayOf(VERSION, cipher.iv.size.toByte()) + cipher.iv + sealed
            Files.createDirectories(folder.toPath())
            val file = file(account).toPath()
            val part = file.resolveSibling("${file.fileName}.part")
            Files.write(part, bytes)
            try {
                Files.move(part, file, ATOMIC_MOVE, REPLACE_EXISTING)
            } catch (_: AtomicMoveNotSupportedException) {
                Files.move(part, file, REPLACE_EXISTING)
            }
        }

    /** Null if there is none, or none that opens: then somebody has to sign in again. */
    suspend fun load(account: String): String? =
        withContext(Dispatchers.IO) {
            try {
                open(file(account).readBytes(), account)
            } catch (_: IOException) {
                null
            } catch (_: GeneralSecurityException) {
                null
            }
        }

    suspend fun forget(account: String): Unit =
        withContext(Dispatchers.IO) {
            Files.deleteIfExists(file(account).toPath())
        }

    private fun open(bytes: ByteArray, account: String): String? {
        val buffer = ByteBuffer.wrap(bytes)
        if (buffer.remaining() < 2 || buffer.get() != VERSION) return null
        val size = buffer.get().toInt()
        if (size !in 1..buffer.remaining()) return null
        val nonce = ByteArray(size).also(buffer::get)
        val sealed = ByteArray(buffer.remaining()).also(buffer::get)
        // Some providers take what is shorter than the tag for a defect of the caller's.
        if (sealed.size < TAG_BITS / 8) return null
        val cipher = Cipher.getInstance(CIPHER)
        cipher.init(Cipher.DECRYPT_MODE, key(), GCMParameterSpec(TAG_BITS, nonce))
        cipher.updateAAD(account.toByteArray())
        return String(cipher.doFinal(sealed))
    }

    /** Named by a hash: what users are called is no affair of a file system. */
    private fun file(account: String): File {
        val hash = MessageDigest.getInstance("SHA-256").digest(account.toByteArray())
        return File(folder, hash.joinToString("") { "%02x".format(it) })
    }
}

private const val CIPHER = "AES/GCM/NoPadding"
private const val TAG_BITS = 128
private const val VERSION: Byte = 1
