package dev.tidewire

import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class RoomListStateTest {
    private fun row(room: String, messages: Long = 0) =
        RoomListRow(
            room = room,
            kind = RoomKind.GROUP,
            name = room,
            avatarUrl = null,
            peer = null,
            profile = null,
            members = 1,
            role = Role.OWNER,
            mute = null,
            slowMode = null,
            settings = RoomSettings(),
            unread = Unread(messages, 0, exact = true),
            lastMessage = null,
            draft = null,
            pending = 0,
            failed = false,
            atMs = 0,
        )

    private fun diff(vararg changes: RoomListChange) =
        RoomListBatch(2, RoomListUpdate.Diff(changes.asList()), first = 3, total = 9)

    @Test
    fun `a reset replaces everything and changes are applied in order`() {
        val reset = RoomListUpdate.Reset(listOf(row("a"), row("b"), row("c")))
        val before = RoomListState.EMPTY + diff() + RoomListBatch(1, reset, first = 0, total = 5)
        assertEquals(RoomListState(listOf(row("a"), row("b"), row("c")), 0, 5), before)
        val after =
            before +
                diff(
                    RoomListChange.Remove(2),
                    RoomListChange.Insert(0, row("c")),
                    RoomListChange.Set(2, row("b", messages = 1)),
                )
        assertEquals(RoomListState(listOf(row("c"), row("a"), row("b", 1)), 3, 9), after)
        assertEquals(listOf("a", "b", "c"), before.rows.map { it.room }, "it never changes")
        assertFailsWith<IndexOutOfBoundsException> { after + diff(RoomListChange.Remove(3)) }
    }

    @Test
    fun `many batches give what a list gives that is changed in place`() {
        val seed = 5
        val random = Random(seed)
        val model = mutableListOf<RoomListRow>()
        var state = RoomListState.EMPTY
        repeat(500) { round ->
            val change =
                when (if (model.isEmpty()) 0 else random.nextInt(3)) {
                    0 -> RoomListChange.Insert(random.nextInt(model.size + 1), row("$round"))
                    1 -> RoomListChange.Set(random.nextInt(model.size), row("$round"))
                    else -> RoomListChange.Remove(random.nextInt(model.size))
                }
            when (change) {
                is RoomListChange.Insert -> model.add(change.index, change.row)
                is RoomListChange.Set -> model[change.index] = change.row
                is RoomListChange.Remove -> model.removeAt(change.index)
            }
            state += diff(change)
            assertEquals(model, state.rows, "seed $seed, round $round")
        }
    }
}
