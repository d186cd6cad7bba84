package dev.tidewire.example

import android.app.AlertDialog
import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.text.Editable
import android.text.TextWatcher
import android.view.View
import android.widget.AbsListView
import android.widget.EditText
import android.widget.ListView
import android.widget.TextView
import android.widget.Toast
import dev.tidewire.Attachment
import dev.tidewire.Message
import dev.tidewire.TidewireException
import dev.tidewire.TimelineRow
import dev.tidewire.TimelineStart
import dev.tidewire.model.TimelineModel
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.launch
import java.io.IOException

/** One room: its messages, and what the user writes. */
class ChatActivity : Screen() {
    private lateinit var model: TimelineModel
    private val draw by lazy { MessageRow(session.client.user) }
    private val rows = Rows(R.layout.message_row, ::keyOf) { view, row -> draw(view, row) }
    private val documents by lazy { Documents(this) }

    /** The message that the next one quotes. */
    private var replyTo: String? = null

    /** What the user wants to save, while he chooses where. */
    private var saving: Attachment? = null

    override fun build(state: Bundle?) {
        setContentView(R.layout.chat)
        title = intent.getStringExtra(NAME)
        val place = intent.getStringExtra(MESSAGE)?.let(TimelineStart::Message) ?: TimelineStart.Newest
        val room = session.client.room(checkNotNull(intent.getStringExtra(ROOM)))
        model = TimelineModel(room, scope, place)
        buildList()
        buildField()
        findViewById<View>(R.id.newest).setOnClickListener { model.jump(TimelineStart.Newest) }
        show(model.typists) { users ->
            val typing = if (users.isEmpty()) "" else getString(R.string.chat_typing, users.joinToString())
            findViewById<TextView>(R.id.typing).text = typing
        }
        show(model.problem.filterNotNull()) { problem ->
            tell(problem.message)
            model.settle()
        }
    }

    private fun buildList() {
        val list = findViewById<ListView>(R.id.rows)
        list.adapter = rows
        list.setOnItemClickListener { _, _, position, _ ->
            val row = rows.items[position]
            if (row is TimelineRow.Gap) model.fill(row)
        }
        list.setOnItemLongClickListener { _, _, position, _ ->
            val row = rows.items[position]
            (row as? TimelineRow.Message)?.let { choose(it.message) } != null
        }
        list.setOnScrollListener(
            object : AbsListView.OnScrollListener {
                override fun onScroll(list: AbsListView, first: Int, count: Int, total: Int) {
                    if (total == 0) return
                    if (first == 0) model.loadOlder()
                    if (first + count == total) model.loadNewer()
                    seen(first + count)
                }

                override fun onScrollStateChanged(list: AbsListView, state: Int) = Unit
            },
        )
        show(model.state) { shown ->
            rows.items = shown.rows
            findViewById<View>(R.id.newest).visibility = if (shown.moreAfter) View.VISIBLE else View.GONE
        }
    }

    private fun buildField() {
        val field = findViewById<EditText>(R.id.text)
        show(model.text) { text ->
            if (field.text.toString() != text) {
                field.setText(text)
                field.setSelection(text.length)
            }
        }
        field.addTextChangedListener(
            object : TextWatcher {
                override fun afterTextChanged(text: Editable) = model.write(text.toString())

                override fun beforeTextChanged(text: CharSequence, at: Int, count: Int, after: Int) = Unit

                override fun onTextChanged(text: CharSequence, at: Int, before: Int, count: Int) = Unit
            },
        )
        findViewById<View>(R.id.send).setOnClickListener {
            replyTo?.let(model::reply) ?: model.send()
            replyTo = null
            field.hint = getString(R.string.chat_write)
        }
        findViewById<View>(R.id.attach).setOnClickListener { documents.choose(CHOOSE) }
    }

    /** What is on the screen is read. */
    private fun seen(end: Int) {
        val last = rows.items.take(end).asReversed().firstNotNullOfOrNull { (it as? TimelineRow.Message)?.message?.seq }
        if (last != null) model.seen(last)
    }

    private fun choose(message: Message) {
        val actions = actionsOf(message, mine = message.sender == session.client.user)
        AlertDialog
            .Builder(this)
            .setItems(actions.map { getString(it.word) }.toTypedArray()) { _, which -> act(actions[which], message) }
            .show()
    }

    private fun act(action: Action, message: Message) {
        when (action) {
            Action.REPLY -> {
                replyTo = message.id
                val quote = getString(R.string.chat_quote, said(resources, message))
                findViewById<EditText>(R.id.text).apply { hint = quote }.requestFocus()
            }
            Action.LIKE -> model.react(message.id, getString(R.string.message_like))
            Action.EDIT -> askForEdit(message)
            Action.DELETE -> model.delete(message.id)
            Action.SAVE -> {
                saving = message.attachments.first().also { documents.create(it, SAVE) }
            }
            Action.RETRY -> model.retry(message.id)
            Action.DISCARD -> model.discard(message.id)
            Action.CANCEL -> model.cancel(message.id)
        }
    }

    private fun askForEdit(message: Message) {
        val field = EditText(this).apply { setText(message.text) }
        AlertDialog
            .Builder(this)
            .setTitle(R.string.message_edit)
            .setView(field)
            .setNegativeButton(android.R.string.cancel, null)
            .setPositiveButton(android.R.string.ok) { _, _ -> model.edit(message.id, field.text.toString()) }
            .show()
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val chosen = data?.data?.takeIf { result == RESULT_OK } ?: return
        val attachment = saving
        scope.launch {
            try {
                if (request == CHOOSE) {
                    documents.copied(chosen) { model.sendFiles(listOf(it)) }
                } else if (attachment != null) {
                    documents.save(session.client, attachment, chosen)
                    tell(getString(R.string.chat_file_saved))
                }
            } catch (error: IOException) {
                tell(error.localizedMessage)
            } catch (error: TidewireException) {
                tell(error.message)
            }
        }
    }

    private fun tell(text: String?) = Toast.makeText(this, text.orEmpty(), Toast.LENGTH_LONG).show()

    companion object {
        private const val ROOM = "room"
        private const val NAME = "name"
        private const val MESSAGE = "message"
        private const val CHOOSE = 1
        private const val SAVE = 2

        /** Opens a room, at the message with this id if one is told. */
        fun intent(context: Context, room: String, name: String, message: String? = null): Intent =
            Intent(context, ChatActivity::class.java)
                .putExtra(ROOM, room)
                .putExtra(NAME, name)
                .putExtra(MESSAGE, message)

        private fun keyOf(row: TimelineRow): Any =
            when (row) {
                is TimelineRow.Message -> row.message.id
                is TimelineRow.Gap -> row.from
            }
    }
}
