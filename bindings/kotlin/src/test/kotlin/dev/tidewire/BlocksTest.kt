package dev.tidewire

import org.junit.jupiter.api.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse

/** Users who are blocked. */
class BlocksTest {
    private suspend fun Room.fails(code: String) {
        val timeline = timeline()
        val id = send("to the two of us")
        val failed = timeline.awaitMessage(id, "it fails") { it.state is MessageState.Failed }
        val reason = (failed.state as MessageState.Failed).reason
        assertEquals(code, (reason as FailReason.Refused).code)
        discard(id)
        timeline.close()
    }

    // scenario: block
    @Test
    fun `who is blocked is marked at once, on all devices, and reaches nobody in a direct room`() =
        scene {
            val phone = open(ada)
            val laptop = open(ada)
            val peer = open(grace)
            val direct = phone.directRoom(grace)
            val group = phone.createGroup("Tea", listOf(grace))
            val theirs = peer.roomList()
            theirs.awaitRow(group, "the group") { true }
            theirs.awaitRow(direct, "the direct room") { true }
            val said = peer.room(group.id).send("hello, all")
            val timelines = listOf(phone, laptop).map { it.room(group.id) to it.roomList() }.map { (room, list) ->
                list.awaitRow(group, "the message") { it.lastMessage?.id == said }
                room.timeline()
            }
            phone.goOffline()
            phone.block(grace)
            val marked = timelines[0].awaitMessage(said, "it is marked without a network") { it.blocked }
            assertEquals("hello, all", marked.text)
            assertEquals(listOf(grace), phone.blocked().await("she is blocked") { it.isNotEmpty() })
            phone.goOnline()
            timelines[1].awaitMessage(said, "it is marked on the other device") { it.blocked }
            laptop.blocked().await("she is blocked there") { it == listOf(grace) }
            peer.room(direct.id).fails("blocked")
            laptop.room(direct.id).fails("unblock_first")
            val refused = failure<TidewireException.Refused> { peer.createGroup("Trap", listOf(ada)) }
            assertEquals("blocked", refused.code)
            failure<TidewireException.InvalidBlock> { phone.block(ada) }
            val more = peer.room(group.id).send("still here")
            timelines[1].awaitMessage(more, "in the group all goes on") { it.blocked }
            laptop.unblock(grace)
            val again = timelines[0].awaitMessage(said, "it is marked no more") { !it.blocked }
            assertFalse(again.blocked)
            phone.blocked().await("nobody is blocked") { it.isEmpty() }
            peer.room(direct.id).timeline().awaitMessage(peer.room(direct.id).send("thanks"), "it arrives") {
                it.state.isSent
            }
        }
}
