package dev.tidewire

import kotlinx.coroutines.flow.collect
import kotlin.test.Test
import kotlin.test.assertEquals

class UnreadTest {
    private suspend fun RoomList.tells(room: Room, messages: Long, mentions: Long) {
        val unread = Unread(messages, mentions, exact = true)
        awaitRow(room, "$unread") { it.unread == unread }
    }

    // scenario: unread
    @Test
    fun `unread counts are exact after offline reads, other devices and reconnects`() =
        scene {
            val phone = open(ada)
            val tablet = open(ada)
            val room = phone.directRoom(grace)
            val theirs = open(grace).directRoom(ada)
            val lists = listOf(phone.roomList(), tablet.roomList())
            val timeline = room.timeline()
            val texts = (1..4).map { "$it" } + "5, Ada"
            for (text in texts.dropLast(1)) theirs.send(text)
            theirs.send(texts.last(), mentions = listOf(ada))
            lists.forEach { it.tells(room, 5, 1) }
            val seqs = timeline.awaitSent(texts).said.mapNotNull { it.seq }

            // The phone goes and reads what it has; another device reads further than it has.
            phone.goOffline()
            for (number in 6..8) theirs.send("$number")
            lists[1].tells(room, 8, 1)
            room.markRead(seqs[1])
            lists[0].tells(room, 3, 1)
            tablet.room(room.id).markRead(seqs[4] + 1)
            lists[1].tells(room, 2, 0)
            phone.goOnline()
            lists[0].tells(room, 2, 0)
            for (client in listOf(phone, tablet)) {
                client.unreadTotal.await("the badge") { it == Unread(2, 0, exact = true) }
            }
            // Of a muted room only what mentions counts.
            room.mute()
            tablet.unreadTotal.await("no badge") { it.messages == 0L }
            theirs.send("Ada!", mentions = listOf(ada))
            phone.unreadTotal.await("a mention") { it.mentions == 1L && it.messages == 1L }
            room.markRead(seqs[4] + 10)
            lists.forEach { it.tells(room, 0, 0) }
            assertEquals(Unread(0, 0, exact = true), phone.rooms().single().unread)
            phone.shutdown()
            failure<TidewireException.Closed> { phone.unreadTotal.collect() }
        }
}
