package dev.tidewire.android

import android.net.ConnectivityManager
import android.net.NetworkCapabilities
import android.telephony.TelephonyManager
import dev.tidewire.Network
import dev.tidewire.NetworkKind

/**
 * What the system says of the network that this app would use.
 *
 * @property cellular whether it goes over the telephone network; behind a VPN too.
 * @property wifi whether it goes over Wi-Fi; behind a VPN too.
 * @property metered whether the user pays by the byte.
 * @property downKbps how fast the system believes it to be; 0 where it does not say.
 * @property radio a `TelephonyManager.NETWORK_TYPE_…`: how the telephone network carries data.
 */
internal data class Link(
    val cellular: Boolean,
    val wifi: Boolean,
    val metered: Boolean,
    val downKbps: Int,
    val radio: Int = TelephonyManager.NETWORK_TYPE_UNKNOWN,
)

/** What the capabilities of a network come to. */
internal fun linkOf(capabilities: NetworkCapabilities, radio: Int): Link =
    Link(
        cellular = capabilities.hasTransport(NetworkCapabilities.TRANSPORT_CELLULAR),
        wifi = capabilities.hasTransport(NetworkCapabilities.TRANSPORT_WIFI),
        metered = !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED),
        downKbps = capabilities.linkDownstreamBandwidthKbps,
        radio = radio,
    )

/**
 * What the client is told of a network.
 *
 * @param link none where there is no network.
 * @param blocked whether the system keeps this app from the network, as it does in the background
 *   with data saver on, or while the device dozes.
 * @param dataSaver a `ConnectivityManager.RESTRICT_BACKGROUND_STATUS_…`. One who has exempted this
 *   app from the data saver has not asked it to save.
 */
internal fun networkOf(link: Link?, blocked: Boolean, dataSaver: Int): Network {
    if (link == null || blocked) return Network(NetworkKind.NONE)
    val kind =
        when {
            // Where both carry a VPN, the better one does as a rule.
            link.wifi -> NetworkKind.WIFI
            link.cellular -> if (link.isSecondGeneration) NetworkKind.CELLULAR_2G else NetworkKind.CELLULAR
            else -> NetworkKind.OTHER
        }
    val saves = dataSaver == ConnectivityManager.RESTRICT_BACKGROUND_STATUS_ENABLED
    return Network(kind, metered = link.metered, constrained = link.metered && saves)
}

/**
 * Up to how many kbit/s a cellular network whose radio is not known counts as 2G. The system's own
 * estimate, where it has measured nothing, is 24 for GPRS, 70 for EDGE and 115 for the slowest of 3G
 * (the default of the carrier setting `bandwidth_string_array`).
 */
private const val SECOND_GENERATION_KBPS = 100

private val Link.isSecondGeneration: Boolean
    get() =
        when (radio) {
            TelephonyManager.NETWORK_TYPE_GSM,
            TelephonyManager.NETWORK_TYPE_GPRS,
            TelephonyManager.NETWORK_TYPE_EDGE,
            CDMA,
            CDMA_1XRTT,
            IDEN,
            -> true
            // The app may not read it, or what it says does not hold for what carries the data (Wi-Fi calling).
            TelephonyManager.NETWORK_TYPE_UNKNOWN,
            TelephonyManager.NETWORK_TYPE_IWLAN,
            -> downKbps in 1..SECOND_GENERATION_KBPS
            else -> false
        }

// `TelephonyManager.NETWORK_TYPE_…` that newer systems have no use for any more.
private const val CDMA = 4
private const val CDMA_1XRTT = 7
private const val IDEN = 11
