package dev.tidewire

import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.withTimeout
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.time.Duration.Companion.milliseconds

class TokensTest {
    // scenario: token-expires
    @Test
    fun `a token is asked for again before it expires, and sending goes on`() =
        scene {
            val asked = MutableStateFlow(0)
            val client =
                open(ada) {
                    asked.update { it + 1 }
                    Stage.token(ada, seconds = 3)
                }
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            val texts = List(4) { "number $it" }
            texts.forEachIndexed { index, text ->
                asked.await("another token") { it > index }
                room.send(text)
                timeline.awaitSent(texts.take(index + 1))
            }
        }

    // scenario: token-expires
    @Test
    fun `when no new token is to be had the app is told, and sends wait until there is one`() =
        scene {
            var works = true
            val client =
                open(ada) {
                    check(works) { "the sign-in server is on holiday" }
                    Stage.token(ada, seconds = 2)
                }
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            room.send("with a token")
            timeline.awaitSent(listOf("with a token"))

            works = false
            client.authRequired()
            room.send("without")
            val waiting = timeline.rows.await("it") { it.message("without") != null }
            assertEquals(MessageState.Sending, waiting.message("without")?.state)

            works = true
            timeline.awaitSent(listOf("with a token", "without"))
        }

    // scenario: token-expires
    @Test
    fun `a token that has expired already is refused, and the next one serves`() =
        scene {
            var seconds = -60
            val client = open(ada) { Stage.token(ada, seconds) }
            client.authRequired()
            seconds = 3_600
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            eventually("a room") { client.directRoom(grace) }
        }

    // scenario: token-provider-fails
    @Test
    fun `whatever a token provider throws is told in its words, and never the end of the app`() =
        scene {
            val providers =
                mapOf<String, suspend () -> String>(
                    "nobody is signed in (IllegalStateException)" to { error("nobody is signed in") },
                    "disk on fire (AssertionError)" to { throw AssertionError("disk on fire") },
                    "StackOverflowError" to { throw StackOverflowError() },
                    "too far (StackOverflowError)" to { throw StackOverflowError("too far") },
                    "half \uFFFD an emoji (RuntimeException)" to
                        { throw RuntimeException("half \uD83D an emoji") },
                    "Timed out waiting for 1 ms" to
                        { withTimeout(1.milliseconds) { awaitCancellation() } },
                    "`token` is no valid Unicode" to { "half \uDE00 an emoji" },
                )
            for ((words, provider) in providers) {
                val client = open(ada, tokens = provider)
                val told = client.authRequired().reason
                assertContains(told, words)
                assertContains(told, "the app's token provider failed: ")
                assertFalse('\n' in told, told)
                assertEquals(emptyList(), client.rooms())
                client.shutdown()
            }
        }

    // scenario: token-provider-fails
    @Test
    fun `a token provider that fails is asked again, and what was sent meanwhile arrives`() =
        scene {
            val folder = folder()
            val before = open(ada, folder)
            val room = before.directRoom(grace).id
            before.shutdown()
            var works = false
            val client = open(ada, folder) { if (works) Stage.token(ada) else error("not yet") }
            client.authRequired()
            client.room(room).send("patience")
            val timeline = client.room(room).timeline()
            timeline.rows.await("it") { it.message("patience")?.state == MessageState.Sending }
            works = true
            timeline.awaitSent(listOf("patience"))
        }

    @Test
    fun `the token of somebody else is told`() =
        scene {
            val client = open(ada) { Stage.token(grace) }
            val told = client.events.filterIsInstance<ClientEvent.WrongUser>().await("it") { true }
            assertEquals(grace, told.tokenUser)
        }

    @Test
    fun `the first collector of events is told what happened before it came`() =
        scene {
            val asked = MutableStateFlow(0)
            val client =
                open(ada) {
                    asked.update { it + 1 }
                    check(asked.value > 1) { "not yet" }
                    Stage.token(ada)
                }
            asked.await("another attempt") { it > 1 }
            eventually("a room") { client.directRoom(grace) }
            assertContains(client.authRequired().reason, "not yet")
        }

    @Test
    fun `two collectors of events are both told`() =
        scene {
            var works = true
            val client = open(ada) { if (works) Stage.token(ada, seconds = 2) else error("no more") }
            client.mode.await("real-time") { it.mode == Mode.REAL_TIME }
            val both = List(2) { async { client.authRequired() } }
            works = false
            both.forEach { assertContains(it.await().reason, "no more") }
        }
}

private suspend fun TidewireClient.authRequired(): ClientEvent.AuthRequired =
    events.filterIsInstance<ClientEvent.AuthRequired>().await("AuthRequired") { true }
