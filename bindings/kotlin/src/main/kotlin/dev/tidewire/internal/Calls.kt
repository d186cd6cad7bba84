package dev.tidewire.internal

import dev.tidewire.TidewireException
import dev.tidewire.ffi.CancelToken
import dev.tidewire.ffi.InternalException
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import dev.tidewire.ffi.TidewireException as FfiException

/** A call into the core, with the errors that apps know. */
internal inline fun <T> translated(call: () -> T): T =
    try {
        call()
    } catch (cancelled: CancellationException) {
        // It is an IllegalStateException too.
        throw cancelled
    } catch (_: FfiException.Cancelled) {
        // Only who is cancelled has cancelled the token.
        throw CancellationException("the call was cancelled")
    } catch (error: FfiException) {
        throw error.toApi()
    } catch (panic: InternalException) {
        val reason = panic.message.orEmpty()
        throw TidewireException.Internal(Told("the SDK failed: $reason", isTemporary = false), reason)
    } catch (_: IllegalStateException) {
        // The generated code's answer when a handle was released, by a `close` at the same moment.
        throw TidewireException.Closed()
    }

/**
 * A call that ends with its caller. Not on the caller's thread: records are taken apart and put
 * together for each call, and that may be a thread that draws.
 */
internal suspend fun <T> reading(call: suspend () -> T): T =
    withContext(Dispatchers.Default) { translated { call() } }

/** The same for what is taken in turns: null if the other side has closed it. */
internal suspend fun <T : Any> readingOrEnd(call: suspend () -> T): T? =
    try {
        reading(call)
    } catch (_: TidewireException.Closed) {
        null
    }

/**
 * A call that goes on if its caller gives up: for what the user has decided, like a send from a
 * screen that is closed at that moment.
 */
internal suspend fun <T> CoroutineScope.deciding(call: suspend () -> T): T =
    async { translated { call() } }.await()

/**
 * A call that makes something which has to be closed: also if its caller gave up meanwhile. In the core
 * it is ended by the token alone, and waited for, because UniFFI forgets an object that was ready and is
 * not taken: the client would never end, nor its folder be free. On a thread that may wait: the first
 * such call of a process loads the library.
 */
internal suspend fun <T : AutoCloseable> making(call: suspend (CancelToken) -> T): T {
    var made: T? = null
    try {
        val token = withContext(Dispatchers.IO) { CancelToken() }
        return token.use {
            coroutineScope {
                // On a thread of its own: that of the caller may be busy for long.
                val watching =
                    launch(Dispatchers.Default, CoroutineStart.UNDISPATCHED) {
                        try {
                            awaitCancellation()
                        } finally {
                            token.cancel()
                        }
                    }
                try {
                    withContext(Dispatchers.IO + NonCancellable) {
                        translated { call(token) }.also { made = it }
                    }
                } finally {
                    watching.cancel()
                }
            }
        }
    } catch (error: Throwable) {
        made?.close()
        throw error
    }
}
