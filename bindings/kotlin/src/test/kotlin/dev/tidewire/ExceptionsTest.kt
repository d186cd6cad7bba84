package dev.tidewire

import dev.tidewire.internal.translated
import kotlinx.coroutines.CancellationException
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class ExceptionsTest {
    @Test
    fun `exceptions have readable words and typed fields`() =
        scene {
            val url =
                failure<TidewireException.InvalidUrl> {
                    TidewireClient.open(settings(ada).copy(url = "ftp://x")) { "" }
                }
            assertEquals("ftp://x", url.url)
            assertTrue(url.message.startsWith("`ftp://x` is no server address: "), url.message)

            val setting =
                failure<TidewireException.InvalidSetting> {
                    TidewireClient.open(settings(ada).copy(pollingInterval = 1.milliseconds)) { "" }
                }
            assertTrue(setting.setting in setting.message && setting.bounds in setting.message)
            failure<TidewireException.InvalidSetting> {
                TidewireClient.open(settings(ada).copy(pollingInterval = (-5).seconds)) { "" }
            }
            failure<TidewireException.InvalidSetting> {
                TidewireClient.open(settings(ada).copy(outboxCapacity = -1)) { "" }
            }

            val client = open(ada)
            failure<TidewireException.InvalidId> { client.room("no id").timeline() }
            val room = client.directRoom(grace)
            val message = failure<TidewireException.InvalidMessage> { room.send("") }
            assertTrue(message.message.startsWith("the message can not be sent: "), message.message)
            failure<TidewireException.InvalidMessage> { room.send("x", metadataJson = "{") }
            val unknown = failure<TidewireException.UnknownMessage> { room.retry(room.id) }
            assertEquals(room.id, unknown.id)
            failure<TidewireException.UnknownMessage> { room.discard(room.id) }
        }

    @Test
    fun `a released handle is closed, and a cancellation stays one`() {
        failure<TidewireException.Closed> {
            translated { error("Client object has already been destroyed") }
        }
        failure<CancellationException> { translated { throw CancellationException("enough") } }
    }
}
