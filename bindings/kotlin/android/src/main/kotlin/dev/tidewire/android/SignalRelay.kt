package dev.tidewire.android

import dev.tidewire.AppState
import dev.tidewire.Network
import dev.tidewire.TidewireClient
import dev.tidewire.TidewireException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.launch
import java.io.Closeable
import kotlin.time.Duration

/**
 * Hands on to the client what the device tells, in order and on no thread of the system's: the newest of
 * each, and nothing twice. Ends with the client.
 *
 * @param suspendAfter for how long the app may run on when nobody looks at it; null for as long as it likes.
 */
internal class SignalRelay(
    client: TidewireClient,
    suspendAfter: Duration?,
) : Closeable {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val networks = MutableStateFlow<Network?>(null)
    private val power = MutableStateFlow<Boolean?>(null)
    private val looks = MutableStateFlow<Boolean?>(null)

    init {
        handOn { networks.filterNotNull().collect(client::setNetwork) }
        handOn { power.filterNotNull().collect(client::setPower) }
        handOn {
            looks.filterNotNull().collectLatest { visible ->
                if (visible) {
                    client.setAppState(AppState.FOREGROUND)
                } else {
                    client.setAppState(AppState.BACKGROUND)
                    if (suspendAfter != null) {
                        delay(suspendAfter)
                        client.setAppState(AppState.SUSPENDED)
                    }
                }
            }
        }
    }

    fun network(network: Network) {
        networks.value = network
    }

    fun lowPower(low: Boolean) {
        power.value = low
    }

    fun visible(visible: Boolean) {
        looks.value = visible
    }

    private fun handOn(work: suspend () -> Unit) {
        scope.launch {
            try {
                work()
            } catch (_: TidewireException.Closed) {
                // There is nobody to be told any more.
            } catch (_: TidewireException.Internal) {
                // Nobody waits here who could be told, and an app must not die of it.
            }
        }
    }

    override fun close() = scope.cancel()
}
