package dev.tidewire

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds

class SuspensionTest {
    // scenario: suspended
    @Test
    fun `suspended it lets go of its folder and wakes for a refresh and for good`() =
        scene {
            val folder = folder()
            val client = open(ada, folder)
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            room.send("before")
            timeline.awaitSent(listOf("before"))
            client.setAppState(AppState.SUSPENDED)
            assertEquals(room.id, client.rooms().single().id)
            failure<TidewireException.Suspended>("a send") { room.send("too late") }

            // The folder is free for another process of the app.
            val extension = open(ada, folder)
            extension.room(room.id).send("by the extension")
            extension.room(room.id).timeline().awaitSent(listOf("before", "by the extension"))
            extension.shutdown()

            val theirs = open(grace).directRoom(ada)
            theirs.send("meanwhile")
            // By then the server has it.
            theirs.timeline().awaitSent(listOf("before", "by the extension", "meanwhile"))
            val refreshed = client.refreshOnce(30.seconds)
            assertTrue(refreshed.complete && refreshed.newEvents >= 1, "$refreshed")
            // It rests again.
            open(ada, folder).shutdown()

            client.setAppState(AppState.FOREGROUND)
            timeline.awaitSent(listOf("before", "by the extension", "meanwhile"))
        }

    @Test
    fun `a flow of profiles outlives a suspension`() =
        scene {
            val client = open(ada)
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            open(grace).updateProfile(ProfileUpdate("Grace"))
            client.setAppState(AppState.SUSPENDED)
            client.profiles(listOf(grace, "nobody")).await("grace's name, afterwards") { told ->
                // What is known while it is suspended comes first.
                if (told[grace]?.name == null) client.setAppState(AppState.FOREGROUND)
                told[grace]?.name == "Grace"
            }
        }

    @Test
    fun `saving power allows hybrid at most`() =
        scene {
            val client = open(ada)
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            client.setPower(true)
            val saving = client.mode.await("hybrid") { it.mode == Mode.HYBRID }
            assertEquals(ModeReason.LowPower, saving.reason)
        }
}
