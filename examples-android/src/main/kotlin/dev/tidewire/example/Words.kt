package dev.tidewire.example

import android.content.res.Resources
import dev.tidewire.Message
import dev.tidewire.MessageState
import dev.tidewire.Mode
import dev.tidewire.ModeReason
import dev.tidewire.ModeStatus
import dev.tidewire.NetworkKind
import dev.tidewire.RoomListRow
import dev.tidewire.model.ModeNotice

/** What is shown of a connection: its mode, why, and how fast the server is. */
fun statusLine(words: Resources, status: ModeStatus, latencyMs: Long?): String {
    val mode = words.getString(modeWord(status.mode))
    val reason = reasonText(words, status.reason)
    return if (latencyMs == null) {
        words.getString(R.string.status_line, mode, reason)
    } else {
        words.getString(R.string.status_line_latency, mode, reason, latencyMs)
    }
}

/** The same for a screen reader. */
fun statusDescribed(words: Resources, status: ModeStatus): String {
    val mode = words.getString(modeWord(status.mode))
    return words.getString(R.string.status_described, mode, reasonText(words, status.reason))
}

fun noticeText(words: Resources, notice: ModeNotice): String {
    val mode = words.getString(modeWord(notice.to))
    return words.getString(R.string.mode_changed, mode, reasonText(words, notice.reason))
}

private fun modeWord(mode: Mode): Int =
    when (mode) {
        Mode.REAL_TIME -> R.string.mode_real_time
        Mode.HYBRID -> R.string.mode_hybrid
        Mode.POLLING -> R.string.mode_polling
        Mode.OFFLINE -> R.string.mode_offline
    }

private fun reasonText(words: Resources, reason: ModeReason): String =
    when (reason) {
        ModeReason.Unbound -> words.getString(R.string.reason_unbound)
        ModeReason.Starting -> words.getString(R.string.reason_starting)
        is ModeReason.Audience -> {
            val online = reason.online.coerceAtMost(Int.MAX_VALUE.toLong()).toInt()
            words.getQuantityString(R.plurals.reason_audience, online, online)
        }
        ModeReason.Policy -> words.getString(R.string.reason_policy)
        is ModeReason.Network ->
            words.getString(
                when (reason.kind) {
                    NetworkKind.NONE -> R.string.reason_no_network
                    NetworkKind.CELLULAR_2G -> R.string.reason_slow_network
                    else -> R.string.reason_network
                },
            )
        ModeReason.DataSaver -> words.getString(R.string.reason_data_saver)
        is ModeReason.App -> words.getString(R.string.reason_app)
        ModeReason.SocketsFail -> words.getString(R.string.reason_sockets_fail)
        is ModeReason.Latency -> words.getString(R.string.reason_latency)
        is ModeReason.Breaks -> words.getString(R.string.reason_breaks)
        ModeReason.EventStream -> words.getString(R.string.reason_event_stream)
        ModeReason.LowPower -> words.getString(R.string.reason_low_power)
        ModeReason.Ceiling -> words.getString(R.string.reason_ceiling)
        ModeReason.Budget -> words.getString(R.string.reason_budget)
    }

/** How far one of the user's own messages is. */
fun stateText(words: Resources, state: MessageState): String =
    when (state) {
        MessageState.Sending -> words.getString(R.string.state_sending)
        is MessageState.Waiting -> words.getString(R.string.state_waiting)
        is MessageState.Failed -> words.getString(R.string.state_failed, state.reason.text)
        MessageState.Sent -> words.getString(R.string.state_sent)
        MessageState.Delivered -> words.getString(R.string.state_delivered)
        MessageState.Read -> words.getString(R.string.state_read)
    }

/** What a room is called. */
fun roomName(words: Resources, row: RoomListRow): String =
    row.name ?: row.profile?.name ?: row.peer ?: words.getString(R.string.rooms_unnamed)

/** The line below a room's name. */
fun roomLine(words: Resources, row: RoomListRow): String {
    val draft = row.draft
    val last = row.lastMessage
    return when {
        row.failed -> words.getString(R.string.rooms_failed)
        !draft.isNullOrEmpty() -> words.getString(R.string.rooms_draft, draft)
        last == null -> words.getString(R.string.rooms_nothing)
        else -> words.getString(R.string.rooms_last, last.sender, said(words, last))
    }
}

/** What a message says, in one piece of text. */
fun said(words: Resources, message: Message): String {
    val files = message.attachments.map { it.name } + message.outgoing.map { it.name }
    return when {
        message.deleted != null -> words.getString(R.string.chat_deleted)
        !message.text.isNullOrEmpty() -> message.text.orEmpty()
        files.isNotEmpty() -> files.joinToString()
        else -> message.kind
    }
}
