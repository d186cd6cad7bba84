package dev.tidewire.model

import dev.tidewire.TidewireException
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlin.time.Duration.Companion.seconds

/** How long a model waits before it tries again what a screen needs: short, nobody wants to look at nothing. */
private val AGAIN_AFTER = 1.seconds

/**
 * Does what a screen needs for as long as it is there: over again after an error that may pass, as while the
 * app is suspended or the disk is full. Ends when the client does.
 */
internal suspend fun persist(problem: MutableStateFlow<TidewireException?>, work: suspend () -> Unit) {
    while (true) {
        try {
            work()
            return
        } catch (_: TidewireException.Closed) {
            return
        } catch (error: TidewireException) {
            problem.value = error
            if (!error.isTemporary) return
            delay(AGAIN_AFTER)
        }
    }
}
