package dev.tidewire.android

import android.net.ConnectivityManager
import dev.tidewire.NetworkKind
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class DefaultNetworkTest {
    private val wifi = Link(cellular = false, wifi = true, metered = false, downKbps = 50_000)
    private val cellular = Link(cellular = true, wifi = false, metered = true, downKbps = 30_000)
    private val default = DefaultNetwork()
    private val kind get() = default.network.kind

    @Test
    fun `a network is told once it is known what it is like`() {
        assertTrue(default.isKnown)
        assertEquals(NetworkKind.NONE, kind)
        default.available("a")
        assertFalse(default.isKnown, "nobody is told that there is none")
        default.capabilities("a", wifi)
        assertTrue(default.isKnown)
        assertEquals(NetworkKind.WIFI, kind)
        // The callback says again what was read at first.
        default.available("a")
        assertTrue(default.isKnown)
    }

    @Test
    fun `late words of a network that another one has replaced are passed over`() {
        default.available("a")
        default.capabilities("a", wifi)
        default.available("b")
        default.capabilities("b", cellular)
        default.lost("a")
        default.capabilities("a", wifi)
        default.blocked("a", true)
        assertEquals(NetworkKind.CELLULAR, kind)
        default.lost("b")
        assertEquals(NetworkKind.NONE, kind)
        assertTrue(default.isKnown)
    }

    @Test
    fun `a block ends with its network, and data saver does not`() {
        default.available("a")
        default.capabilities("a", cellular)
        default.dataSaver(ConnectivityManager.RESTRICT_BACKGROUND_STATUS_ENABLED)
        default.blocked("a", true)
        assertEquals(NetworkKind.NONE, kind)
        default.blocked("a", false)
        assertTrue(default.network.constrained)
        default.blocked("a", true)
        default.available("b")
        default.capabilities("b", cellular)
        assertEquals(NetworkKind.CELLULAR, kind)
        assertTrue(default.network.constrained)
    }
}
