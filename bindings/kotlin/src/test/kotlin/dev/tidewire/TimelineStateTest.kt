package dev.tidewire

import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class TimelineStateTest {
    private fun message(text: String, state: MessageState = MessageState.Sent) =
        TimelineRow.Message(
            Message(
                id = "id of $text",
                room = "room",
                sender = "ada",
                seq = null,
                atMs = 0,
                kind = "message",
                text = text,
                mentions = emptyList(),
                metadataJson = null,
                contentJson = null,
                state = state,
            ),
        )

    private fun reset(vararg texts: String) =
        TimelineBatch(1, TimelineUpdate.Reset(texts.map { message(it) }, 7), true, moreAfter = false)

    private fun diff(vararg changes: TimelineChange) =
        TimelineBatch(2, TimelineUpdate.Diff(changes.asList()), false, moreAfter = true)

    @Test
    fun `a reset replaces everything`() {
        val state = TimelineState.EMPTY + reset("a", "b") + reset("c")
        assertEquals(listOf("c"), state.texts)
        assertEquals(listOf(true, false, 7L), listOf(state.moreBefore, state.moreAfter, state.unreadFrom))
    }

    @Test
    fun `changes are applied in order, each to what those before it left`() {
        val state =
            TimelineState.EMPTY + reset("a", "b", "c") +
                diff(
                    TimelineChange.Remove(0),
                    TimelineChange.Insert(0, message("x")),
                    TimelineChange.Insert(3, message("z")),
                    TimelineChange.Set(1, message("B", MessageState.Sending)),
                    TimelineChange.Insert(1, TimelineRow.Gap(4, 9)),
                    TimelineChange.Remove(3),
                )
        assertEquals(
            listOf(message("x"), TimelineRow.Gap(4, 9), message("B", MessageState.Sending), message("z")),
            state.rows,
        )
        assertEquals(listOf(false, true, 7L), listOf(state.moreBefore, state.moreAfter, state.unreadFrom))
    }

    @Test
    fun `a state that was handed out never changes`() {
        val before = TimelineState.EMPTY + reset("a", "b")
        val copy = before.copy(rows = before.rows.toList())
        before + diff(TimelineChange.Remove(0), TimelineChange.Set(0, message("c")))
        assertEquals(copy, before)
    }

    @Test
    fun `a change beyond the rows is an error and not a guess`() {
        val state = TimelineState.EMPTY + reset("a")
        assertFailsWith<IndexOutOfBoundsException> { state + diff(TimelineChange.Remove(1)) }
        assertFailsWith<IndexOutOfBoundsException> { state + diff(TimelineChange.Set(1, message("b"))) }
        assertFailsWith<IndexOutOfBoundsException> {
            state + diff(TimelineChange.Insert(2, message("b")))
        }
    }

    @Test
    fun `many batches give what a list gives that is changed in place`() {
        val random = Random(3)
        val model = mutableListOf<TimelineRow>()
        var state = TimelineState.EMPTY
        repeat(500) { round ->
            val changes =
                List(random.nextInt(5)) { which ->
                    val row = message("$round.$which")
                    when (if (model.isEmpty()) 0 else random.nextInt(3)) {
                        0 -> {
                            val at = random.nextInt(model.size + 1)
                            model.add(at, row)
                            TimelineChange.Insert(at, row)
                        }
                        1 -> {
                            val at = random.nextInt(model.size)
                            model[at] = row
                            TimelineChange.Set(at, row)
                        }
                        else -> {
                            val at = random.nextInt(model.size)
                            model.removeAt(at)
                            TimelineChange.Remove(at)
                        }
                    }
                }
            state += diff(*changes.toTypedArray())
            assertEquals(model, state.rows)
        }
    }
}
