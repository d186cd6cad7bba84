package dev.tidewire.internal

import dev.tidewire.TidewireException
import kotlinx.coroutines.CompletableJob
import kotlinx.coroutines.Job
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.job
import java.util.concurrent.atomic.AtomicReference

/**
 * One at a time. Who comes while another one is at work is sent away; who comes while another one
 * has been cancelled and is about to leave waits for that, because a screen that is drawn anew
 * cancels its collector and starts the next one in the same breath.
 */
internal class Turn {
    private class Holder(
        val job: Job,
        val left: CompletableJob = Job(),
    )

    private val holder = AtomicReference<Holder?>()

    /** Does the work, alone. What it writes is seen by the next one. */
    suspend fun take(work: suspend () -> Unit) {
        val own = Holder(currentCoroutineContext().job)
        while (!holder.compareAndSet(null, own)) {
            val other = holder.get() ?: continue
            if (other.job.isActive) throw TidewireException.AlreadyCollected()
            other.left.join()
        }
        try {
            work()
        } finally {
            holder.set(null)
            own.left.complete()
        }
    }
}
