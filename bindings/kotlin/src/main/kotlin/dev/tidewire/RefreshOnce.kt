package dev.tidewire

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.selects.select
import kotlinx.coroutines.withContext
import kotlin.time.Duration
import kotlin.time.TimeSource

/** What a background job makes of [refreshOnce]. */
public enum class RefreshOutcome {
    /** Everything was read and sent. */
    DONE,

    /** Not everything, for now: no network, a short deadline, a busy server. Try again later. */
    LATER,

    /** The token provider gave no token, or the server takes none of them: see [ClientEvent.AuthRequired]. */
    SIGN_IN,
}

/**
 * Sends what waits and reads what is new, for a job that the system runs while the app does not: opens a
 * client in the background, has it refresh, and closes it again. With WorkManager it is the body of a
 * `CoroutineWorker`; a job service or the handler of a push message serves as well.
 *
 * A process whose own client is open asks that one instead, by [TidewireClient.refreshOnce]: a second one
 * on its folder is refused, and this gives [RefreshOutcome.LATER] then.
 *
 * Cancelling it is safe: the client is closed, and what was read so far is kept. Waits for disk and network,
 * at most until the deadline, and then for the folder to be free.
 *
 * @param settings as for [TidewireClient.open]; [Settings.inBackground] is set.
 * @param deadline how long it may take. A job of WorkManager has 10 minutes, one for a push message about 10 s.
 * @param tokenProvider as for [TidewireClient.open].
 * @throws TidewireException what can not become better by trying again: `InvalidText`, `InvalidUrl`,
 *   `InvalidId`, `InvalidSetting`, `Damaged`, `NewerDatabase` and others that are not temporary.
 */
public suspend fun refreshOnce(
    settings: Settings,
    deadline: Duration,
    tokenProvider: suspend () -> String,
): RefreshOutcome {
    val begin = TimeSource.Monotonic.markNow()
    return try {
        // Waits for the disk alone. Not given up halfway: nobody would wait for the folder to be free then.
        val client =
            withContext(NonCancellable) {
                TidewireClient.open(settings.copy(inBackground = true), tokenProvider)
            }
        try {
            refreshed(client, deadline - begin.elapsedNow())
        } finally {
            // The next job finds the folder free.
            withContext(NonCancellable) { client.shutdown() }
        }
    } catch (_: TidewireException.FolderInUse) {
        RefreshOutcome.LATER
    } catch (_: TidewireException.AuthRequired) {
        RefreshOutcome.SIGN_IN
    } catch (error: TidewireException) {
        if (error.isTemporary) RefreshOutcome.LATER else throw error
    }
}

private suspend fun refreshed(client: TidewireClient, within: Duration): RefreshOutcome =
    coroutineScope {
        val refreshing = async { client.refreshOnce(within) }
        // Without a token nothing comes of waiting for the deadline.
        val refused =
            async(start = CoroutineStart.UNDISPATCHED) {
                client.events.first { it is ClientEvent.AuthRequired || it is ClientEvent.WrongUser }
            }
        val outcome =
            select<RefreshOutcome> {
                refreshing.onAwait { if (it.complete) RefreshOutcome.DONE else RefreshOutcome.LATER }
                refused.onAwait { RefreshOutcome.SIGN_IN }
            }
        coroutineContext.cancelChildren()
        outcome
    }
