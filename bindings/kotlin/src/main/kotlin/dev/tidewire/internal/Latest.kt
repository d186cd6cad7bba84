package dev.tidewire.internal

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.flow
import dev.tidewire.ffi.ClientEvent as FfiClientEvent
import dev.tidewire.ffi.EventSubscription as FfiEvents

/**
 * What can be asked for at any time, at first as it is, then once events say that it may have changed.
 * It is asked for anew each time, so that a slow collector, or one that missed some, gets the newest.
 */
internal fun <T : Any> latest(
    subscribe: () -> FfiEvents,
    concerns: (FfiClientEvent) -> Boolean,
    read: suspend () -> T,
): Flow<T> =
    flow {
        // Subscribed before it is asked for, so that nothing falls between the two.
        val subscription = reading { subscribe() }
        try {
            emit(reading(read))
            var after = 0uL
            while (true) {
                val batch = readingOrEnd { subscription.next(after, null) } ?: break
                after = batch.number
                if (batch.missed > 0uL || batch.events.any(concerns)) {
                    emit(readingOrEnd(read) ?: break)
                }
            }
        } finally {
            subscription.destroy()
        }
    }.distinctUntilChanged()
