package dev.tidewire.android

import android.util.Log
import dev.tidewire.LogLevel
import dev.tidewire.LogLine
import dev.tidewire.Logs
import dev.tidewire.TidewireException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch
import java.io.Closeable

/**
 * Writes the logs of all clients of this process into logcat, in batches, on a thread of its own, until it is
 * closed. Once for a process is enough, from `Application.onCreate` on.
 *
 * @param level lines that matter less are left out.
 * @param tag the tag that all lines have.
 */
public class SystemLog(
    level: LogLevel = LogLevel.INFO,
    private val tag: String = "Tidewire",
) : Closeable {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)

    init {
        scope.launch {
            try {
                Logs.from(level).collect { batch ->
                    if (batch.missed > 0) Log.w(tag, "${batch.missed} lines were dropped before this one")
                    batch.lines.forEach(::write)
                }
            } catch (error: TidewireException) {
                Log.e(tag, error.message)
            }
        }
    }

    override fun close(): Unit = scope.cancel()

    private fun write(line: LogLine) {
        for (piece in pieces("${line.target}: ${line.text}")) Log.println(priorityOf(line.level), tag, piece)
    }
}

/** What logcat calls a level. */
internal fun priorityOf(level: LogLevel): Int =
    when (level) {
        LogLevel.ERROR -> Log.ERROR
        LogLevel.WARN -> Log.WARN
        LogLevel.INFO -> Log.INFO
        LogLevel.DEBUG -> Log.DEBUG
        LogLevel.TRACE -> Log.VERBOSE
    }

/** In pieces that logcat takes whole, none of which ends within an emoji. */
internal fun pieces(text: String): List<String> {
    val pieces = mutableListOf<String>()
    var begin = 0
    while (text.length - begin > PIECE) {
        val end = begin + PIECE
        val cut = if (text[end - 1].isHighSurrogate()) end - 1 else end
        pieces += text.substring(begin, cut)
        begin = cut
    }
    return pieces + text.substring(begin)
}

/** Logcat cuts off what is longer than about 4,000 bytes; a letter has up to three. */
private const val PIECE = 1_300
