package dev.tidewire.android

import android.net.ConnectivityManager.RESTRICT_BACKGROUND_STATUS_DISABLED
import android.net.ConnectivityManager.RESTRICT_BACKGROUND_STATUS_ENABLED
import android.net.ConnectivityManager.RESTRICT_BACKGROUND_STATUS_WHITELISTED
import android.telephony.TelephonyManager
import dev.tidewire.Network
import dev.tidewire.NetworkKind
import kotlin.test.Test
import kotlin.test.assertEquals

class LinkTest {
    private val wifi = Link(cellular = false, wifi = true, metered = false, downKbps = 50_000)
    private val cellular = Link(cellular = true, wifi = false, metered = true, downKbps = 30_000)

    @Test
    fun `no network, and one that is kept from this app, are none`() {
        assertEquals(Network(NetworkKind.NONE), told(null))
        assertEquals(Network(NetworkKind.NONE), networkOf(wifi, blocked = true, RESTRICT_BACKGROUND_STATUS_DISABLED))
    }

    @Test
    fun `a kind is told, also behind a VPN`() {
        assertEquals(Network(NetworkKind.WIFI), told(wifi))
        assertEquals(Network(NetworkKind.CELLULAR, metered = true), told(cellular))
        assertEquals(Network(NetworkKind.OTHER), told(wifi.copy(wifi = false)))
        // A VPN over both.
        assertEquals(Network(NetworkKind.WIFI, metered = true), told(cellular.copy(wifi = true)))
    }

    @Test
    fun `2G is what the radio says, and where it says nothing what is as slow`() {
        val slow =
            listOf(
                TelephonyManager.NETWORK_TYPE_GPRS,
                TelephonyManager.NETWORK_TYPE_EDGE,
                TelephonyManager.NETWORK_TYPE_GSM,
                // CDMA, its faster form, and iDEN.
                4,
                7,
                11,
            )
        for (radio in slow) assertEquals(NetworkKind.CELLULAR_2G, told(cellular.copy(radio = radio)).kind)
        val fast =
            listOf(
                TelephonyManager.NETWORK_TYPE_UMTS,
                TelephonyManager.NETWORK_TYPE_HSPA,
                TelephonyManager.NETWORK_TYPE_LTE,
                TelephonyManager.NETWORK_TYPE_NR,
            )
        // The radio is believed, whatever the estimate is.
        for (radio in fast) {
            assertEquals(NetworkKind.CELLULAR, told(cellular.copy(radio = radio, downKbps = 50)).kind)
        }
        // GPRS, EDGE, and the slowest of 3G, as the system estimates them.
        assertEquals(NetworkKind.CELLULAR_2G, told(cellular.copy(downKbps = 24)).kind)
        assertEquals(NetworkKind.CELLULAR_2G, told(cellular.copy(downKbps = 70)).kind)
        assertEquals(NetworkKind.CELLULAR, told(cellular.copy(downKbps = 115)).kind)
        assertEquals(NetworkKind.CELLULAR, told(cellular.copy(downKbps = 0)).kind, "it does not say")
        assertEquals(NetworkKind.WIFI, told(wifi.copy(downKbps = 24)).kind)
    }

    @Test
    fun `data saver counts on a metered network, unless this app is exempt from it`() {
        val enabled = RESTRICT_BACKGROUND_STATUS_ENABLED
        val saving = networkOf(cellular, blocked = false, enabled)
        assertEquals(Network(NetworkKind.CELLULAR, metered = true, constrained = true), saving)
        assertEquals(Network(NetworkKind.WIFI), networkOf(wifi, blocked = false, enabled))
        val exempt = networkOf(cellular, blocked = false, RESTRICT_BACKGROUND_STATUS_WHITELISTED)
        assertEquals(Network(NetworkKind.CELLULAR, metered = true), exempt)
    }

    private fun told(link: Link?) = networkOf(link, blocked = false, RESTRICT_BACKGROUND_STATUS_DISABLED)
}
