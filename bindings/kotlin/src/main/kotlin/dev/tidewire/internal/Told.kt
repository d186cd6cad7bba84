package dev.tidewire.internal

import dev.tidewire.TidewireException
import kotlin.time.Duration.Companion.milliseconds
import dev.tidewire.ffi.TidewireException as FfiException

/** What the core tells of an error, whichever it is. */
internal class Told(
    val text: String,
    val isTemporary: Boolean,
)

/** The exception for apps: the generated one's message is a dump of its fields. */
internal fun FfiException.toApi(): TidewireException {
    val told = Told(text(), isTemporary())
    return when (this) {
        is FfiException.FolderInUse -> TidewireException.FolderInUse(told, path)
        is FfiException.FolderUnusable -> TidewireException.FolderUnusable(told, path, reason)
        is FfiException.Damaged -> TidewireException.Damaged(told, path, reason)
        is FfiException.NewerDatabase ->
            TidewireException.NewerDatabase(told, found.toLong(), known.toLong())
        is FfiException.DiskFull -> TidewireException.DiskFull(told)
        is FfiException.StoreFailed -> TidewireException.StoreFailed(told, reason)
        is FfiException.InvalidMessage -> TidewireException.InvalidMessage(told, reason)
        is FfiException.InvalidSearch -> TidewireException.InvalidSearch(told, reason)
        is FfiException.InvalidBlock -> TidewireException.InvalidBlock(told, reason)
        is FfiException.InvalidId -> TidewireException.InvalidId(told, reason)
        is FfiException.InvalidSetting -> TidewireException.InvalidSetting(told, setting, bounds)
        is FfiException.InvalidUrl -> TidewireException.InvalidUrl(told, url, reason)
        is FfiException.UnknownRoom -> TidewireException.UnknownRoom(told, room)
        is FfiException.NotAMember -> TidewireException.NotAMember(told, room)
        is FfiException.UnknownMessage -> TidewireException.UnknownMessage(told, id)
        is FfiException.NotYours -> TidewireException.NotYours(told, id)
        is FfiException.MessageDeleted -> TidewireException.MessageDeleted(told, id)
        is FfiException.OutboxFull -> TidewireException.OutboxFull(told, capacity.toLong())
        is FfiException.Offline -> TidewireException.Offline(told)
        is FfiException.Network -> TidewireException.Network(told, reason)
        is FfiException.Refused ->
            TidewireException.Refused(told, code, reason, retryAfterMs?.toLong()?.milliseconds)
        is FfiException.AuthRequired -> TidewireException.AuthRequired(told, reason)
        is FfiException.PendingSends -> TidewireException.PendingSends(told, pending.toLong())
        is FfiException.FileMissing -> TidewireException.FileMissing(told, path)
        is FfiException.FileUnusable -> TidewireException.FileUnusable(told, path, reason)
        is FfiException.UploadTooLarge ->
            TidewireException.UploadTooLarge(told, path, maxBytes.toLong())
        is FfiException.FileDamaged -> TidewireException.FileDamaged(told)
        is FfiException.FileTooLarge ->
            TidewireException.FileTooLarge(told, size.toLong(), most.toLong())
        is FfiException.Suspended -> TidewireException.Suspended(told)
        is FfiException.Closed -> TidewireException.Closed()
        is FfiException.AlreadyWaiting -> TidewireException.AlreadyCollected()
        is FfiException.Internal -> TidewireException.Internal(told, reason)
        // Only for those who are cancelled themselves: see `translated`.
        is FfiException.Cancelled -> TidewireException.Internal(told, told.text)
    }
}
