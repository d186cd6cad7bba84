package dev.tidewire.example

import android.text.format.DateUtils
import android.text.format.Formatter
import android.view.View
import android.widget.TextView
import dev.tidewire.Message
import dev.tidewire.MessageState
import dev.tidewire.OutgoingFile
import dev.tidewire.TimelineRow

/** Draws a row of a timeline. */
class MessageRow(
    private val user: String,
) {
    operator fun invoke(view: View, row: TimelineRow) =
        when (row) {
            is TimelineRow.Message -> draw(view, row.message)
            is TimelineRow.Gap -> drawGap(view)
        }

    private fun draw(view: View, message: Message) {
        val words = view.resources
        val sender = if (message.sender == user) words.getString(R.string.chat_you) else message.sender
        val text =
            when {
                message.deleted != null -> words.getString(R.string.chat_deleted)
                message.text != null -> message.text.orEmpty()
                else -> words.getString(R.string.chat_event, message.kind, message.contentJson.orEmpty())
            }
        val at = DateUtils.formatDateTime(view.context, message.atMs, DateUtils.FORMAT_SHOW_TIME)
        val marks =
            buildList {
                add(at)
                if (message.edited != null) add(words.getString(R.string.chat_edited))
                if (message.sender == user) add(stateText(words, message.state))
                message.reactions.forEach { add(words.getString(R.string.chat_reaction, it.key, it.count)) }
            }
        val quote = message.replyTo?.message?.text?.let { words.getString(R.string.chat_quote, it) }
        val files = message.attachments.map { file(view, it.name, it.size) } + message.outgoing.map { file(view, it) }
        put(view, R.id.sender, sender)
        put(view, R.id.quote, quote)
        put(view, R.id.said, text)
        put(view, R.id.files, files.joinToString("\n"))
        put(view, R.id.state, marks.joinToString(" · "))
        val colour = if (message.state is MessageState.Failed) R.color.failed else R.color.quiet
        view.findViewById<TextView>(R.id.state).setTextColor(view.context.getColor(colour))
        // One sentence for a screen reader, instead of five pieces.
        val content = (listOfNotNull(quote, text.ifEmpty { null }) + files).joinToString(". ")
        view.contentDescription =
            words.getString(R.string.chat_row_described, sender, content, at, marks.drop(1).joinToString())
    }

    private fun drawGap(view: View) {
        val text = view.resources.getString(R.string.chat_gap)
        for (id in listOf(R.id.sender, R.id.quote, R.id.files, R.id.state)) put(view, id, null)
        put(view, R.id.said, text)
        view.contentDescription = text
    }

    private fun file(view: View, name: String, size: Long): String =
        view.resources.getString(R.string.chat_file, name, Formatter.formatShortFileSize(view.context, size))

    private fun file(view: View, file: OutgoingFile): String {
        val percent = if (file.size > 0) (100 * file.sent / file.size).toInt() else 0
        return view.resources.getString(R.string.chat_file_sending, file.name, percent)
    }

    private fun put(row: View, id: Int, text: String?) {
        row.findViewById<TextView>(id).apply {
            this.text = text
            visibility = if (text.isNullOrEmpty()) View.GONE else View.VISIBLE
        }
    }
}
