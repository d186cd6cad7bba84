package dev.tidewire.internal

import dev.tidewire.ffi.TokenProvider
import dev.tidewire.ffi.TokenProviderException
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive

/** The app's token provider as the core calls it: whatever it throws is "no token" and no crash. */
internal class AppTokens(
    private val provider: suspend () -> String,
) : TokenProvider {
    override suspend fun token(): String =
        try {
            valid("token", provider())
        } catch (cancelled: CancellationException) {
            // The core has stopped waiting, or the app has cancelled something of its own, like a
            // `withTimeout`: then it is a failure like any other.
            currentCoroutineContext().ensureActive()
            throw noToken(cancelled)
        } catch (error: Throwable) {
            // Errors too: on this thread nobody else would catch them, and the app would die.
            throw noToken(error)
        }

    private fun noToken(error: Throwable): TokenProviderException {
        val kind = error.javaClass.simpleName.ifEmpty { error.javaClass.name }
        val text = error.message?.takeIf(String::isNotBlank)
        val words = if (text == null) kind else "$text ($kind)"
        return TokenProviderException.Unavailable("the app's token provider failed: ${mended(words)}")
    }
}
