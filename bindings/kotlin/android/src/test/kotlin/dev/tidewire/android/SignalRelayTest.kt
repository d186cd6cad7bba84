package dev.tidewire.android

import dev.tidewire.AppState
import dev.tidewire.Mode
import dev.tidewire.ModeReason
import dev.tidewire.Network
import dev.tidewire.NetworkKind
import dev.tidewire.TidewireException
import dev.tidewire.await
import dev.tidewire.awaitSent
import dev.tidewire.scene
import kotlinx.coroutines.delay
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.time.Duration.Companion.milliseconds

class SignalRelayTest {
    @Test
    fun `the client follows what the device tells`() =
        scene {
            val client = open(ada)
            SignalRelay(client, suspendAfter = null).use { relay ->
                relay.visible(true)
                relay.network(Network(NetworkKind.WIFI))
                client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
                relay.network(Network(NetworkKind.CELLULAR_2G, metered = true))
                val slow = client.mode.await("polling") { it.mode == Mode.POLLING }
                assertEquals(ModeReason.Network(NetworkKind.CELLULAR_2G), slow.reason)
                relay.network(Network(NetworkKind.WIFI))
                relay.lowPower(true)
                val saving = client.mode.await("hybrid") { it.mode == Mode.HYBRID }
                assertEquals(ModeReason.LowPower, saving.reason)
                relay.lowPower(false)
                relay.visible(false)
                val background = client.mode.await("the background") { it.reason is ModeReason.App }
                assertEquals(ModeReason.App(AppState.BACKGROUND), background.reason)
                relay.visible(true)
                client.mode.await("real-time again") { it.mode == Mode.REAL_TIME }
            }
        }

    @Test
    fun `nobody looks for a while, and the client closes its files until somebody does`() =
        scene {
            val client = open(ada, folder())
            val room = client.directRoom(grace)
            SignalRelay(client, suspendAfter = 1.milliseconds).use { relay ->
                relay.visible(true)
                client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
                relay.visible(false)
                val suspended = client.mode.await("suspension") { it.mode == Mode.OFFLINE }
                assertEquals(ModeReason.App(AppState.SUSPENDED), suspended.reason)
                // A look at the screen, however short, is enough.
                relay.visible(true)
                client.mode.await("real-time again") { it.mode == Mode.REAL_TIME }
                room.send("back")
                room.timeline().awaitSent(listOf("back"))
            }
        }

    @Test
    fun `a client that is closed beneath it ends it without a word`() =
        scene {
            val client = open(ada)
            SignalRelay(client, suspendAfter = 1.milliseconds).use { relay ->
                relay.visible(true)
                client.shutdown()
                relay.visible(false)
                relay.network(Network(NetworkKind.NONE))
                relay.lowPower(true)
                delay(50)
            }
            assertEquals(true, runCatching { client.rooms() }.exceptionOrNull() is TidewireException.Closed)
        }
}
