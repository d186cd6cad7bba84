package dev.tidewire

import dev.tidewire.internal.Turn
import dev.tidewire.internal.making
import dev.tidewire.internal.readingOrEnd
import dev.tidewire.internal.translated
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import java.io.Closeable
import java.nio.file.Path
import java.util.concurrent.atomic.AtomicBoolean
import dev.tidewire.ffi.Download as FfiDownload
import dev.tidewire.ffi.LocalFile as FfiLocalFile

/**
 * How far a file is.
 *
 * @property bytes bytes that are on this device. Fewer than before where what came had to be thrown
 *   away.
 * @property size bytes that the file has.
 */
public data class DownloadProgress(
    val bytes: Long,
    val size: Long,
)

/**
 * A file on its way to this device. Thread-safe. Several of one file share one download. The file is
 * wanted until all of them, and what [file] gave, are closed: then the download ends. What came stays
 * for some days, and the next one goes on from there.
 */
public class Download internal constructor(
    private val handle: FfiDownload,
    private val client: TidewireClient,
) : Closeable {
    private val closed = AtomicBoolean()
    private val turn = Turn()

    /**
     * How far the file is: at first as it is, then each newer step, without those that were passed
     * meanwhile. Ends with the download, well or not, and when the download or the client is closed.
     * One collector at a time. Waits for neither network nor disk.
     *
     * Fails with [TidewireException.Closed] if it was closed before, and with
     * [TidewireException.AlreadyCollected] beside another collector.
     */
    public val progress: Flow<DownloadProgress> =
        flow {
            turn.take {
                val download = live()
                var after = 0uL
                while (true) {
                    val step = readingOrEnd { download.next(after, null) } ?: break
                    emit(DownloadProgress(step.bytes.toLong(), step.size.toLong()))
                    after = step.number
                }
            }
        }

    /**
     * The file, once it is whole and its SHA-256 is checked. At once if it is on this device already,
     * without a network too. Else waits for the network, for as long as it takes: without one, with a
     * bad one and without a valid token the client goes on by itself later, from where it was. A caller
     * who is cancelled does not end the download. Close what it gives once nobody needs it any more.
     *
     * @throws TidewireException `Refused` with the server's word, `unknown_file` as a rule: the file is
     *   gone, or not the user's to see; `FileDamaged`, `FileTooLarge`; `Suspended` if the app was
     *   suspended when it was begun; `Closed`, those of the store.
     */
    public suspend fun file(): LocalFile = making { token -> LocalFile(live().file(token)) }

    /** Wants the file no more. Returns at once. Idempotent. */
    override fun close() {
        if (closed.compareAndSet(false, true)) {
            translated { handle.cancel() }
            handle.destroy()
        }
    }

    private fun live(): FfiDownload =
        if (closed.get() || client.isClosed) throw TidewireException.Closed() else handle
}

/**
 * A file on this device, whole and as its message names it. It stays where it is until this is closed,
 * or the client is; afterwards it goes when room is needed. Nobody may write to it.
 *
 * @property path where it is: in the account's private folder, under the file's key. Its name and type
 *   are in the [Attachment]. Also after [close].
 * @property size how many bytes it has.
 */
public class LocalFile internal constructor(
    private val handle: FfiLocalFile,
) : Closeable {
    private val closed = AtomicBoolean()
    public val path: Path = Path.of(handle.path())
    public val size: Long = handle.size().toLong()

    /** It may go from now on. Returns at once. Idempotent. */
    override fun close() {
        if (closed.compareAndSet(false, true)) {
            translated { handle.release() }
            handle.destroy()
        }
    }
}
