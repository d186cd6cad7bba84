package dev.tidewire.model

import dev.tidewire.AppState
import dev.tidewire.Mode
import dev.tidewire.ModeReason
import dev.tidewire.ModeStatus
import dev.tidewire.Network
import dev.tidewire.NetworkKind
import dev.tidewire.RoomFilter
import dev.tidewire.RoomKind
import dev.tidewire.RoomSort
import dev.tidewire.Stage
import dev.tidewire.TidewireException
import dev.tidewire.await
import dev.tidewire.goOffline
import dev.tidewire.goOnline
import dev.tidewire.said
import dev.tidewire.scene
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.flow.map
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class ClientModelsTest {
    @Test
    fun `each change of the mode is a notice with its reason`() =
        scene {
            val client = open(ada)
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            screen { screen ->
                val status = ClientStatus(client, screen)
                assertEquals(Mode.REAL_TIME, status.mode.value.mode)
                assertNull(status.notice.value)
                client.goOffline()
                val notice = status.notice.filterNotNull().await("a notice") { it.to == Mode.OFFLINE }
                assertEquals(Mode.REAL_TIME, notice.from)
                assertEquals(ModeReason.Network(NetworkKind.NONE), notice.reason)
                assertTrue(notice.reasonText.isNotBlank())
                assertTrue(notice.isStepDown)
                status.dismissNotice()
                assertNull(status.notice.value)

                client.setNetwork(Network(NetworkKind.CELLULAR, metered = true, constrained = true))
                val saving = status.notice.filterNotNull().await("another") { it.to == Mode.HYBRID }
                assertEquals(Mode.OFFLINE, saving.from)
                assertEquals(ModeReason.DataSaver, saving.reason)
            }
        }

    @Test
    fun `leaving the app and coming back is worth no notice`() {
        val watch = ModeWatch()
        fun take(mode: Mode, reason: ModeReason) = watch.take(ModeStatus(mode, reason, "words"))
        assertNull(take(Mode.POLLING, ModeReason.Starting))
        assertNull(take(Mode.REAL_TIME, ModeReason.Unbound), "what it begins with")
        assertNull(take(Mode.POLLING, ModeReason.App(AppState.BACKGROUND)))
        assertNull(take(Mode.OFFLINE, ModeReason.App(AppState.SUSPENDED)))
        assertNull(take(Mode.REAL_TIME, ModeReason.Unbound), "as he left it")
        assertNull(take(Mode.POLLING, ModeReason.App(AppState.BACKGROUND)))
        val other = checkNotNull(take(Mode.HYBRID, ModeReason.LowPower))
        assertEquals(Mode.REAL_TIME to Mode.HYBRID, other.from to other.to)
        assertTrue(!checkNotNull(take(Mode.REAL_TIME, ModeReason.Unbound)).isStepDown)
    }

    @Test
    fun `the badge and how fast the server answers are there`() =
        scene {
            val client = open(ada)
            val peer = open(settings(grace).copy(presenceHeartbeatInterval = 1.seconds))
            val room = client.directRoom(grace)
            screen { screen ->
                val status = ClientStatus(peer, screen, every = 20.milliseconds)
                room.send("one")
                room.send("two")
                status.unread.filterNotNull().await("two unread") { it.messages == 2L }
                assertTrue(status.latencyMs.filterNotNull().await("a time") { true } >= 0)
            }
        }

    @Test
    fun `that somebody has to sign in shows, and is over once there is a token`() =
        scene {
            var signedIn = false
            val client =
                open(ada, null) { if (signedIn) Stage.token(ada) else error("nobody is signed in") }
            screen { screen ->
                val status = ClientStatus(client, screen, every = 20.milliseconds)
                val why = status.signInNeeded.filterNotNull().await("a reason") { true }
                assertTrue("nobody is signed in" in why)
                signedIn = true
                // The next attempt comes by itself; another network brings it forward.
                client.goOffline()
                client.goOnline()
                client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
                status.signInNeeded.map { it == null }.awaitValue(true)
            }
        }

    @Test
    fun `a list is sorted, filtered and searched, and follows what happens`() =
        scene {
            val client = open(ada)
            val tea = client.createGroup("Tea", listOf(grace))
            val coffee = client.createGroup("Coffee", listOf(grace))
            screen { screen ->
                val model = RoomListModel(client, screen, filter = RoomFilter(kind = RoomKind.GROUP))
                model.setVisible(0, 10)
                model.state.await("both") { state -> state.rows.map { it.room } == listOf(coffee.id, tea.id) }
                tea.send("kettle's on")
                model.state.await("Tea first") { state ->
                    state.rows.first().room == tea.id && state.rows.first().lastMessage?.text == "kettle's on"
                }
                model.sort(RoomSort.NAME)
                model.state.await("by name") { state -> state.rows.map { it.name } == listOf("Coffee", "Tea") }
                model.find("te")
                model.state.await("Tea alone") { state -> state.rows.map { it.name } == listOf("Tea") }
                model.find("")
                model.state.await("both again") { it.total == 2 }
                model.filter(RoomFilter(kind = RoomKind.DIRECT))
                model.state.await("none") { it.total == 0 }
                assertNull(model.problem.value)
            }
        }

    @Test
    fun `a search shows what is here at once and the rest afterwards, page by page`() =
        scene {
            val room = open(ada).directRoom(grace)
            repeat(70) { room.send("needle $it") }
            repeat(60) { room.send("hay") }
            room.timeline().rows.await("all sent") { state -> state.said.all { it.state.isSent } }
            val peer = open(grace)
            peer.directRoom(ada).timeline().rows.await("the newest") { it.said.isNotEmpty() }
            screen { screen ->
                val model = SearchModel(peer, screen)
                model.find("needle")
                var state = model.state.await("the first page") { !it.searching && it.hits.isNotEmpty() }
                assertEquals("needle", state.text)
                while (state.more) {
                    val count = state.hits.size
                    model.loadMore()
                    state = model.state.await("more") { !it.searching && (it.hits.size > count || !it.more) }
                }
                assertEquals(70, state.hits.size)
                model.find("  ")
                model.state.await("nothing") { it == SearchState() }
                model.find("!?")
                val wrong = model.state.await("a problem") { it.problem != null }
                assertIs<TidewireException.InvalidSearch>(wrong.problem)
            }
        }
}
