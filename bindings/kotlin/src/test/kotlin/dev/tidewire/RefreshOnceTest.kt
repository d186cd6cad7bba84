package dev.tidewire

import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlin.io.path.listDirectoryEntries
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.time.Duration.Companion.milliseconds

class RefreshOnceTest {
    @Test
    fun `a background job sends what waits, reads what is new, and frees the folder`() =
        scene {
            val folder = folder()
            val client = open(ada, folder)
            val room = client.directRoom(grace)
            client.goOffline()
            room.send("from the outbox")
            client.shutdown()
            val outcome = refreshOnce(settings(ada, folder), PATIENCE) { Stage.token(ada) }
            assertEquals(RefreshOutcome.DONE, outcome)
            open(grace).directRoom(ada).timeline().awaitSent(listOf("from the outbox"))
            // Free at once: the app may start at this moment.
            open(ada, folder)
        }

    @Test
    fun `without a network, in no time and beside the app's own client it is tried later`() =
        scene {
            val folder = folder()
            val settings = settings(ada, folder)
            assertEquals(RefreshOutcome.LATER, refreshOnce(settings, 0.milliseconds) { Stage.token(ada) })
            world.cut()
            assertEquals(RefreshOutcome.LATER, refreshOnce(settings, 500.milliseconds) { Stage.token(ada) })
            world.mend()
            val own = open(ada, folder)
            assertEquals(RefreshOutcome.LATER, refreshOnce(settings, PATIENCE) { Stage.token(ada) })
            own.shutdown()
        }

    @Test
    fun `without a token somebody has to sign in, and nobody waits for the deadline`() =
        scene {
            val outcome = refreshOnce(settings(ada, folder()), PATIENCE * 10) { error("nobody is signed in") }
            assertEquals(RefreshOutcome.SIGN_IN, outcome)
        }

    @Test
    fun `a job that is stopped leaves the folder free`() =
        scene {
            val folder = folder()
            world.cut()
            val job = launch { refreshOnce(settings(ada, folder), PATIENCE) { Stage.token(ada) } }
            // It has begun once the account has a folder.
            while (job.isActive && folder.listDirectoryEntries().isEmpty()) delay(5)
            job.cancelAndJoin()
            world.mend()
            open(ada, folder)
        }
}
