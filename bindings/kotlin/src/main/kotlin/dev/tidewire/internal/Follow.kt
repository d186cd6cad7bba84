package dev.tidewire.internal

import dev.tidewire.ModeStatus
import dev.tidewire.TidewireException
import dev.tidewire.ffi.ModeSubscription
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch

/**
 * The mode as it changes, until the client ends. Not a method of the client: its coroutine must not
 * keep a client alive that the app has forgotten.
 */
internal fun CoroutineScope.follow(
    subscription: ModeSubscription,
    now: ModeStatus,
): StateFlow<ModeStatus> {
    val mode = MutableStateFlow(now)
    launch {
        try {
            var after = 0uL
            while (true) {
                val batch = readingOrEnd { subscription.next(after, null) } ?: break
                mode.value = batch.toApi()
                after = batch.number
            }
        } catch (_: TidewireException.Internal) {
            // Nobody waits here who could be told, and an app must not die of it: the mode stays as
            // it is, and whoever calls next is told.
        } finally {
            subscription.destroy()
        }
    }
    return mode.asStateFlow()
}
