package dev.tidewire.example

import dev.tidewire.Message
import dev.tidewire.MessageState

/** What can be done about a message. */
enum class Action(
    val word: Int,
) {
    REPLY(R.string.message_reply),
    LIKE(R.string.message_like),
    SAVE(R.string.message_save),
    EDIT(R.string.message_edit),
    DELETE(R.string.message_delete),
    RETRY(R.string.message_retry),
    DISCARD(R.string.message_discard),
    CANCEL(R.string.message_cancel),
}

/** What can be done about this one, the likeliest first. */
fun actionsOf(message: Message, mine: Boolean): List<Action> =
    when {
        message.deleted != null -> emptyList()
        message.state is MessageState.Failed -> listOf(Action.RETRY, Action.DISCARD)
        !message.state.isSent -> listOf(Action.CANCEL)
        else ->
            buildList {
                add(Action.REPLY)
                add(Action.LIKE)
                if (message.attachments.isNotEmpty()) add(Action.SAVE)
                if (mine && message.text != null) add(Action.EDIT)
                if (mine) add(Action.DELETE)
            }
    }
