package dev.tidewire

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeout
import kotlin.io.path.exists
import kotlin.io.path.readText
import kotlin.test.Test
import kotlin.test.assertTrue

class LogsTest {
    @Test
    fun `what clients do is logged, to whoever collects and into a file, without what was said`() =
        scene {
            val file = folder().resolve("tidewire.log")
            Logs.writeInto(LogFile(file.toString(), LogLevel.DEBUG))
            val secret = "kept between the two of us"
            val collected = async(start = CoroutineStart.UNDISPATCHED) {
                val lines = mutableListOf<LogLine>()
                Logs.from(LogLevel.DEBUG).await("a line of this user") { batch ->
                    lines += batch.lines
                    lines.any { ada in it.text }
                }
                lines
            }
            val client = open(ada)
            val room = client.directRoom(grace)
            room.send(secret)
            room.timeline().awaitSent(listOf(secret))
            client.goOffline()
            val lines = collected.await()
            assertTrue(lines.none { secret in it.text })
            withTimeout(PATIENCE) { while (!file.exists() || ada !in file.readText()) delay(20) }
            Logs.stopWriting()
            Logs.stopWriting()
            assertTrue(secret !in file.readText())
            failure<TidewireException.FolderUnusable> { Logs.writeInto(LogFile("/nowhere/at/all.log")) }
            failure<TidewireException.InvalidSetting> { Logs.writeInto(LogFile(file.toString(), maxBytes = 1)) }
        }
}
