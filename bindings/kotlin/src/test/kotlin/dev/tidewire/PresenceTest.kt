package dev.tidewire

import kotlinx.coroutines.flow.filterIsInstance
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.time.Duration.Companion.seconds

class PresenceTest {
    // scenario: presence
    @Test
    fun `a peer is seen online and away and offline with when it was last seen`() =
        scene {
            val client = open(ada)
            val room = client.directRoom(grace)
            // Grace's peers miss her after 2.5 s.
            val quick =
                settings(grace).copy(
                    presenceHeartbeatInterval = 1.seconds,
                    backgroundHeartbeatInterval = 1.seconds,
                )
            val other = TidewireClient.open(quick) { Stage.token(grace) }
            other.directRoom(ada).timeline()
            room.timeline()
            val told = client.presence(listOf(grace, ada))
            val online = told.await("online") { it[grace] == Presence.Online }
            assertEquals<Presence?>(Presence.Unknown, online[ada], "of oneself nothing is told")
            other.setAppState(AppState.BACKGROUND)
            told.await("away") { it[grace] == Presence.Away }
            other.setAppState(AppState.FOREGROUND)
            told.await("online again") { it[grace] == Presence.Online }
            other.shutdown()
            val gone = told.await("offline") { it[grace] is Presence.Offline }
            val lastSeen = assertIs<Presence.Offline>(gone[grace]).lastSeenMs
            assertEquals(true, lastSeen != null && lastSeen > 1_700_000_000_000)
            client.setNetwork(Network(NetworkKind.NONE))
            told.await("unknown") { it[grace] == Presence.Unknown }
        }

    // scenario: typing
    @Test
    fun `who types is seen until the silence and until the message`() =
        scene {
            val client = open(ada)
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            val theirs = open(grace).directRoom(ada)
            theirs.timeline()
            client.presence(listOf(grace)).await("online") { it[grace] == Presence.Online }
            theirs.typing()
            room.typists.await("grace types") { it == listOf(grace) }
            room.typists.await("she has stopped") { it.isEmpty() }
            theirs.typing()
            room.typists.await("grace types again") { it == listOf(grace) }
            theirs.send("Hello")
            room.typists.await("it is there") { it.isEmpty() }
            timeline.awaitSent(listOf("Hello"))
            val typed = client.events.filterIsInstance<ClientEvent.TypingChanged>()
            typed.await("it was an event too") { it.room == room.id && it.users == listOf(grace) }
        }

    @Test
    fun `typing where nobody is to hear of it does nothing`() =
        scene {
            val client = open(ada)
            client.room("no id").typing()
            client.room("0199c306-6400-7c3e-9a41-6f2d8e0b1c52").typing()
            val room = client.directRoom(grace)
            repeat(10_000) { room.typing() }
            client.close()
            room.typing()
            failure<TidewireException.Closed>("typists") { room.typists.collect {} }
            failure<TidewireException.Closed>("presence") { client.presence(listOf(grace)).collect {} }
        }
}
