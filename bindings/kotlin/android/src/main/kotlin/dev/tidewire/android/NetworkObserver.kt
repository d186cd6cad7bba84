package dev.tidewire.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.net.ConnectivityManager
import android.net.NetworkCapabilities
import android.os.Handler
import android.os.Looper
import android.telephony.TelephonyManager
import dev.tidewire.Network
import java.io.Closeable
import android.net.Network as AndroidNetwork

/** Tells what the network is like, on the main thread. */
internal class NetworkObserver(
    private val context: Context,
    private val tell: (Network) -> Unit,
) : ConnectivityManager.NetworkCallback(),
    Closeable {
    private val connectivity = context.getSystemService(ConnectivityManager::class.java)
    private val telephony: TelephonyManager? = context.getSystemService(TelephonyManager::class.java)
    private val default = DefaultNetwork()

    private val dataSaver =
        object : BroadcastReceiver() {
            override fun onReceive(context: Context, intent: Intent) {
                default.dataSaver(connectivity.restrictBackgroundStatus)
                report()
            }
        }

    init {
        default.dataSaver(connectivity.restrictBackgroundStatus)
        // The callback says nothing where there is no network to begin with.
        connectivity.activeNetwork?.let { network ->
            default.available(network)
            connectivity.getNetworkCapabilities(network)?.let {
                default.capabilities(network, linkOf(it, radio()))
            }
        }
        report()
        connectivity.registerDefaultNetworkCallback(this, Handler(Looper.getMainLooper()))
        // Only the system may send this one.
        val changes = IntentFilter(ConnectivityManager.ACTION_RESTRICT_BACKGROUND_CHANGED)
        context.registerReceiver(dataSaver, changes)
    }

    override fun onAvailable(network: AndroidNetwork) {
        default.available(network)
        report()
    }

    /** Also when the bandwidth or the generation of a cellular network changes. */
    override fun onCapabilitiesChanged(network: AndroidNetwork, capabilities: NetworkCapabilities) {
        default.capabilities(network, linkOf(capabilities, radio()))
        report()
    }

    override fun onBlockedStatusChanged(network: AndroidNetwork, blocked: Boolean) {
        default.blocked(network, blocked)
        report()
    }

    override fun onLost(network: AndroidNetwork) {
        default.lost(network)
        report()
    }

    override fun close() {
        connectivity.unregisterNetworkCallback(this)
        context.unregisterReceiver(dataSaver)
    }

    private fun report() {
        if (default.isKnown) tell(default.network)
    }

    /**
     * How the telephone network carries data. Read without being asked for on Android 13 and later, by the
     * permission `READ_BASIC_PHONE_STATE`; before that only by an app that holds `READ_PHONE_STATE` anyway.
     */
    private fun radio(): Int =
        try {
            telephony?.dataNetworkType ?: TelephonyManager.NETWORK_TYPE_UNKNOWN
        } catch (_: SecurityException) {
            TelephonyManager.NETWORK_TYPE_UNKNOWN
        } catch (_: UnsupportedOperationException) {
            // A device without a telephone, from Android 15 on.
            TelephonyManager.NETWORK_TYPE_UNKNOWN
        }
}
