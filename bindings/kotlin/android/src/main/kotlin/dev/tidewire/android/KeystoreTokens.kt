package dev.tidewire.android

import android.content.Context
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import java.io.File
import java.security.KeyStore
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey

/**
 * Keeps tokens on the device, sealed with a key that never leaves the Android Keystore. Not in backups: a
 * key does not move to another device, so a token that did would be of no use there. Thread-safe.
 *
 * An app that gets its tokens anew from a session of its own needs none of this.
 */
public class KeystoreTokens(context: Context) {
    private val tokens = SealedTokens(File(context.noBackupFilesDir, "tidewire-tokens"), ::key)

    /**
     * Keeps the token of this [account]. Waits for the disk.
     *
     * @throws java.io.IOException if it can not be written.
     * @throws java.security.GeneralSecurityException if the key store fails.
     */
    public suspend fun save(account: String, token: String): Unit = tokens.save(account, token)

    /**
     * The token of this [account]; null if there is none, or the key is lost, as after a restore: then the
     * user has to sign in again. Waits for the disk.
     */
    public suspend fun load(account: String): String? = tokens.load(account)

    /**
     * Forgets the token of this [account]. Waits for the disk.
     *
     * @throws java.io.IOException if it can not be removed.
     */
    public suspend fun forget(account: String): Unit = tokens.forget(account)
}

private const val KEY_STORE = "AndroidKeyStore"
private const val ALIAS = "dev.tidewire.tokens"
private const val KEY_BITS = 256
private val making = Any()

private fun key(): SecretKey =
    // Two who make one at a time would each seal with a key of their own.
    synchronized(making) {
        val store = KeyStore.getInstance(KEY_STORE).apply { load(null) }
        (store.getKey(ALIAS, null) as? SecretKey) ?: made()
    }

private fun made(): SecretKey {
    val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
    val parameters =
        KeyGenParameterSpec
            .Builder(ALIAS, purposes)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setKeySize(KEY_BITS)
            .build()
    val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, KEY_STORE)
    generator.init(parameters)
    return generator.generateKey()
}
