package dev.tidewire

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertTrue

/** Timelines that are opened somewhere else than at the newest. */
class TimelinesTest {
    /** Says so many things, the first of them `text 1`; gives their ids once all are sent. */
    private suspend fun talk(room: Room, count: Int): List<String> {
        val ids = (1..count).map { room.send("text $it") }
        room.timeline().use { timeline -> timeline.awaitMessage(ids.last(), "sent") { it.state.isSent } }
        return ids
    }

    // scenario: open-at-unread
    @Test
    fun `a timeline opens at the first unread message and says where that begins`() =
        scene {
            val room = open(ada).directRoom(grace)
            val theirs = open(grace).directRoom(ada)
            val ids = talk(theirs, 120)
            val newest = room.timeline().awaitMessage(ids.last(), "the newest") { it.seq != null }
            val read = checkNotNull(newest.seq) - 110
            room.markRead(read)
            val timeline = room.timeline(TimelineStart.FirstUnread)
            val state =
                timeline.rows.await("the first unread") { state ->
                    state.messages.any { it.seq == read + 1 }
                }
            assertEquals(read + 1, state.unreadFrom)
            var loaded = timeline.loadNewer(100)
            while (loaded.more) loaded = timeline.loadNewer(100)
            timeline.awaitMessage(ids.last(), "the newest again") { it.seq != null }
            assertFalse(timeline.rows.await("it follows") { !it.moreAfter }.moreAfter)
            val next = theirs.send("live again")
            timeline.awaitMessage(next, "live again") { it.text == "live again" }
        }

    // scenario: jump-to-message
    @Test
    fun `a timeline opens around a message that is not here`() =
        scene {
            val theirs = open(grace).directRoom(ada)
            val ids = talk(theirs, 150)
            val client = open(ada)
            val room = client.directRoom(grace)
            val timeline = room.timeline(TimelineStart.Message(ids[4]))
            val state =
                timeline.rows.await("it is there") { state -> state.messages.any { it.id == ids[4] } }
            assertTrue(state.moreAfter && state.messages.none { it.id == ids.last() })
            val seq = assertNotNull(state.messages.single { it.id == ids[4] }.seq)
            room.timeline(TimelineStart.Seq(seq)).awaitMessage(ids[4], "by its place") { it.seq == seq }
            failure<TidewireException.UnknownMessage> { room.timeline(TimelineStart.Message(room.id)) }
            failure<TidewireException.InvalidText> { room.timeline(TimelineStart.Message("\uD83D")) }
            client.goOffline()
            val again = room.timeline(TimelineStart.Message(ids[4]))
            again.awaitMessage(ids[4], "from disk") { it.seq == seq }
        }

    // scenario: gap
    @Test
    fun `after a long absence the newest is shown and one gap that can be filled`() =
        scene {
            val client = open(ada)
            val room = client.directRoom(grace)
            val theirs = open(grace).directRoom(ada)
            val timeline = room.timeline()
            room.send("before")
            timeline.awaitSent(listOf("before"))
            client.goOffline()
            val ids = talk(theirs, 200)
            client.goOnline()
            timeline.rows.await("the newest and a gap") { state ->
                state.messages.lastOrNull()?.id == ids.last() &&
                    state.rows.any { it is TimelineRow.Gap }
            }
            val all = listOf("before") + (1..200).map { "text $it" }
            var side = GapSide.NEWER
            timeline.rows.await("all of it") { state ->
                for (gap in state.rows.filterIsInstance<TimelineRow.Gap>()) {
                    timeline.fillGap(gap, side)
                    side = if (side == GapSide.NEWER) GapSide.OLDER else GapSide.NEWER
                }
                state.texts == all
            }
        }

    // scenario: thread
    @Test
    fun `a thread opens as a timeline of its own and new replies appear in it`() =
        scene {
            val client = open(ada)
            val room = client.directRoom(grace)
            val theirs = open(grace).directRoom(ada)
            val root = room.send("Where?")
            val timeline = room.timeline()
            timeline.awaitSent(listOf("Where?"))
            theirs.sendInThread(root, "Here")
            val thread = room.thread(root)
            thread.awaitSent(listOf("Where?", "Here"))
            client.goOffline()
            val own = room.sendInThread(root, "Where now?")
            val shown = thread.awaitMessage(own, "at once") { it.state == MessageState.Sending }
            assertEquals(root, shown.thread)
            client.goOnline()
            thread.awaitMessage(own, "sent") { it.state.isSent }
            theirs.sendInThread(root, "There")
            thread.awaitSent(listOf("Where?", "Here", "Where now?", "There"))
            timeline.awaitSent(listOf("Where?"))
            thread.close()
            failure<TidewireException.Closed> { thread.loadOlder() }
        }
}
