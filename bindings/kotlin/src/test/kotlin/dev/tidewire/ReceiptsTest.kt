package dev.tidewire

import kotlin.test.Test
import kotlin.test.assertEquals

class ReceiptsTest {
    // scenario: receipts
    @Test
    fun `a message becomes delivered and then read`() =
        scene {
            val room = open(ada).directRoom(grace)
            val timeline = room.timeline()
            room.send("Hello")
            timeline.awaitSent(listOf("Hello"))
            val other = open(grace)
            val theirs = other.directRoom(ada)
            val arrived = theirs.timeline().awaitSent(listOf("Hello")).said.single()
            val delivered =
                timeline.rows.await("delivered") {
                    it.message("Hello")?.state == MessageState.Delivered
                }
            assertEquals(Reach(deliveredTo = 1, readBy = 0, of = 1), delivered.message("Hello")?.reach)
            theirs.markRead(checkNotNull(arrived.seq))
            timeline.rows.await("read") { it.message("Hello")?.state == MessageState.Read }
            // Asked for, as in a room of any size.
            val page = room.receipts(checkNotNull(arrived.seq))
            assertEquals(listOf(1L, 1L, 1L), listOf(page.deliveredTo, page.readBy, page.of))
            assertEquals(listOf(Receipt(grace, arrived.seq, arrived.seq)), page.receipts)
            assertEquals(null, page.next)
            assertEquals(Unread(0, 0, exact = true), other.rooms().single().unread)
        }
}
