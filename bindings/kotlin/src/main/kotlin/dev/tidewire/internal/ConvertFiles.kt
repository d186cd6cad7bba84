package dev.tidewire.internal

import dev.tidewire.Attachment
import dev.tidewire.DownloadReport
import dev.tidewire.NewFile
import dev.tidewire.OutgoingFile
import dev.tidewire.Preview
import dev.tidewire.ffi.Attachment as FfiAttachment
import dev.tidewire.ffi.DownloadReport as FfiDownloadReport
import dev.tidewire.ffi.NewFile as FfiNewFile
import dev.tidewire.ffi.OutgoingFile as FfiOutgoingFile
import dev.tidewire.ffi.Preview as FfiPreview

// Files of messages, between the generated types and those of apps.

internal fun FfiAttachment.toApi(): Attachment =
    Attachment(
        id = id,
        key = key,
        name = name,
        contentType = contentType,
        size = size.toLong(),
        sha256 = sha256,
        width = width?.toInt(),
        height = height?.toInt(),
        durationMs = durationMs?.toLong(),
        preview = preview?.run { Preview(format, data) },
    )

// What is negative becomes nothing that a file can have.
internal fun Attachment.toFfi(): FfiAttachment =
    FfiAttachment(
        id = valid("id", id),
        key = valid("key", key),
        name = valid("name", name),
        contentType = valid("contentType", contentType),
        size = size.coerceAtLeast(0).toULong(),
        sha256 = valid("sha256", sha256),
        width = width?.coerceAtLeast(0)?.toUInt(),
        height = height?.coerceAtLeast(0)?.toUInt(),
        durationMs = durationMs?.coerceIn(0, UInt.MAX_VALUE.toLong())?.toUInt(),
        preview = preview?.run { FfiPreview(valid("format", format), valid("data", data)) },
    )

internal fun NewFile.toFfi(): FfiNewFile =
    FfiNewFile(
        path = valid("path", path),
        name = name?.let { valid("name", it) },
        contentType = contentType?.let { valid("contentType", it) },
        width = width?.coerceAtLeast(0)?.toUInt(),
        height = height?.coerceAtLeast(0)?.toUInt(),
        durationMs = durationMs?.coerceIn(0, UInt.MAX_VALUE.toLong())?.toUInt(),
        preview = preview?.run { FfiPreview(valid("format", format), valid("data", data)) },
    )

internal fun FfiOutgoingFile.toApi(): OutgoingFile =
    OutgoingFile(
        id = id,
        name = name,
        contentType = contentType,
        size = size.toLong(),
        sent = sent.toLong(),
        uploaded = uploaded,
        path = path,
        width = width?.toInt(),
        height = height?.toInt(),
        durationMs = durationMs?.toLong(),
        preview = preview?.run { Preview(format, data) },
    )

internal fun FfiDownloadReport.toApi(): DownloadReport =
    DownloadReport(
        fromDisk = fromDisk.toLong(),
        fromServer = fromServer.toLong(),
        files = files.toLong(),
        bytes = bytes.toLong(),
        received = received.toLong(),
    )
