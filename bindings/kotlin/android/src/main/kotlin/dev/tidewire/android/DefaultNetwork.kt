package dev.tidewire.android

import android.net.ConnectivityManager
import dev.tidewire.Network

/**
 * Which network this app would use, from what the system tells piece by piece. The pieces of a network
 * that another one has taken the place of may come late, and are passed over. Not thread-safe: the
 * system tells on one thread.
 */
internal class DefaultNetwork {
    private var current: Any? = null
    private var link: Link? = null
    private var blocked = false
    private var dataSaver = ConnectivityManager.RESTRICT_BACKGROUND_STATUS_DISABLED

    /** What the client is told now. */
    val network: Network get() = networkOf(link, blocked, dataSaver)

    /** [network] is the one to use now. What it is like follows. */
    fun available(network: Any) {
        if (network == current) return
        current = network
        link = null
        blocked = false
    }

    fun capabilities(network: Any, link: Link) {
        if (current == null) current = network
        if (network == current) this.link = link
    }

    fun blocked(network: Any, blocked: Boolean) {
        if (network == current) this.blocked = blocked
    }

    fun lost(network: Any) {
        if (network != current) return
        current = null
        link = null
        blocked = false
    }

    fun dataSaver(status: Int) {
        dataSaver = status
    }

    /** Whether what is known of the network is all there is to know: nothing is told before that. */
    val isKnown: Boolean get() = current == null || link != null
}
