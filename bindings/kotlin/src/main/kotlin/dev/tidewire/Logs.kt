package dev.tidewire

import dev.tidewire.ffi.logToFile
import dev.tidewire.ffi.stopLogFile
import dev.tidewire.ffi.subscribeLogs
import dev.tidewire.internal.reading
import dev.tidewire.internal.readingOrEnd
import dev.tidewire.internal.translated
import dev.tidewire.internal.valid
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext
import dev.tidewire.ffi.LogFile as FfiLogFile
import dev.tidewire.ffi.LogLevel as FfiLogLevel
import dev.tidewire.ffi.LogLine as FfiLogLine

/** How much a line of the log matters. */
public enum class LogLevel {
    /** A defect. */
    ERROR,

    /** Something is wrong that the client copes with. */
    WARN,

    /** What a client does: few lines. */
    INFO,

    /** What helps to understand why. */
    DEBUG,

    /** Every step. */
    TRACE,
}

/**
 * A line of the log.
 *
 * @property atMs when: ms since 1970-01-01 UTC.
 * @property level how much it matters.
 * @property target which part of the SDK says so, as `tidewire::store::repair`.
 * @property text what it says, with its fields as `name=value` behind it.
 */
public data class LogLine(
    val atMs: Long,
    val level: LogLevel,
    val target: String,
    val text: String,
)

/**
 * Lines in their order.
 *
 * @property lines the lines, at most 256.
 * @property missed how many were dropped before them, because the collector was too slow.
 */
public data class LogBatch(
    val lines: List<LogLine>,
    val missed: Long,
)

/**
 * A file for the logs.
 *
 * @property path its path; its folder has to exist. What is in it stays, and is written on behind.
 * @property level lines that matter less are left out.
 * @property maxBytes how large it may become: at least 10,000 (1,000,000). Then it is renamed to `path.1`, that
 *   one to `path.2` …, and a new one is begun.
 * @property keep how many of those that are full are kept: 0 to 100 (3).
 */
public data class LogFile(
    val path: String,
    val level: LogLevel = LogLevel.INFO,
    val maxBytes: Long? = null,
    val keep: Int? = null,
)

/**
 * The logs of all clients of this process: for the system's log (`SystemLog` of the part for Android writes into
 * logcat), a log of the app's own, or a file. No text of a message, no token and no file name is in them.
 */
public object Logs {
    /**
     * The lines from the beginning of the collection on, in batches. Of a collector that is more than 1,000 lines
     * behind the oldest are dropped. Never ends by itself. Waits for neither network nor disk. Fails with
     * [TidewireException.Internal] if something else in this process takes the logs of Rust code.
     *
     * @param level lines that matter less are left out.
     */
    public fun from(level: LogLevel = LogLevel.INFO): Flow<LogBatch> =
        flow {
            val subscription = reading { subscribeLogs(level.toFfi()) }
            try {
                var after = 0uL
                while (true) {
                    val batch = readingOrEnd { subscription.next(after, null) } ?: break
                    emit(LogBatch(batch.lines.map { it.toApi() }, batch.missed.toLong()))
                    after = batch.number
                }
            } finally {
                subscription.destroy()
            }
        }

    /**
     * Has the logs written into a file, from now on, beside whoever collects them; an earlier file is given up. What
     * can not be written later, as on a full disk, is lost, and the next line that can be says how many. Waits for
     * the disk.
     *
     * @throws TidewireException `FolderUnusable` if the file can not be opened, `InvalidSetting`, `InvalidText`,
     *   `Internal`.
     */
    public suspend fun writeInto(file: LogFile) {
        val told =
            FfiLogFile(
                valid("path", file.path),
                file.level.toFfi(),
                file.maxBytes?.coerceAtLeast(0)?.toULong(),
                file.keep?.coerceAtLeast(0)?.toUInt(),
            )
        withContext(Dispatchers.IO) { translated { logToFile(told) } }
    }

    /**
     * Ends [writeInto]. May be called twice.
     *
     * @throws TidewireException.Internal
     */
    public suspend fun stopWriting(): Unit = reading { stopLogFile() }
}

private fun LogLevel.toFfi(): FfiLogLevel =
    when (this) {
        LogLevel.ERROR -> FfiLogLevel.ERROR
        LogLevel.WARN -> FfiLogLevel.WARN
        LogLevel.INFO -> FfiLogLevel.INFO
        LogLevel.DEBUG -> FfiLogLevel.DEBUG
        LogLevel.TRACE -> FfiLogLevel.TRACE
    }

private fun FfiLogLevel.toApi(): LogLevel =
    when (this) {
        FfiLogLevel.ERROR -> LogLevel.ERROR
        FfiLogLevel.WARN -> LogLevel.WARN
        FfiLogLevel.INFO -> LogLevel.INFO
        FfiLogLevel.DEBUG -> LogLevel.DEBUG
        FfiLogLevel.TRACE -> LogLevel.TRACE
    }

private fun FfiLogLine.toApi(): LogLine = LogLine(atMs, level.toApi(), target, text)
