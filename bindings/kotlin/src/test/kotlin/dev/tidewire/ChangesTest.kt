package dev.tidewire

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

/** What is done to a message that is there. */
class ChangesTest {
    /** Two who look at the same room. */
    private class Two(
        val client: TidewireClient,
        val room: Room,
        val timeline: Timeline,
        val peer: TidewireClient,
        val theirs: Room,
        val peerTimeline: Timeline,
    ) {
        val timelines get() = listOf(timeline, peerTimeline)

        /** A message of the first one's that both have. */
        suspend fun say(text: String): String {
            val id = room.send(text)
            timelines.forEach { timeline -> timeline.awaitMessage(id, text) { it.state.isSent } }
            return id
        }
    }

    private suspend fun Scene.two(group: Boolean = false): Two {
        val client = open(ada)
        val peer = open(grace)
        val room = if (group) client.createGroup("Tea", listOf(grace)) else client.directRoom(grace)
        val theirs = peer.room(room.id)
        val peerTimeline = eventually("the room comes") { theirs.timeline() }
        return Two(client, room, room.timeline(), peer, theirs, peerTimeline)
    }

    // scenario: edit-delete-react
    @Test
    fun `an edit shows at once and reaches the others`() =
        scene {
            val two = two()
            val id = two.say("Helo")
            two.client.goOffline()
            two.room.edit(id, "Hello")
            val shown = two.timeline.awaitMessage(id, "at once") { it.text == "Hello" }
            assertTrue(shown.changing)
            assertNull(assertNotNull(shown.edited).seq, "still on its way")
            two.client.goOnline()
            for (timeline in two.timelines) {
                val edited = timeline.awaitMessage(id, "edited") { it.text == "Hello" && !it.changing }
                assertNotNull(edited.edited?.seq)
                timeline.awaitSent(listOf("Hello"))
            }
            val strange = failure<TidewireException.NotYours> { two.theirs.edit(id, "mine") }
            assertEquals(id, strange.id)

            // A message that nobody has seen yet is changed where it waits.
            two.client.goOffline()
            val waiting = two.room.send("whole")
            two.room.edit(waiting, "whale", mentions = listOf(grace))
            two.client.goOnline()
            val whale = two.peerTimeline.awaitMessage(waiting, "changed") { it.text == "whale" }
            assertEquals(listOf(grace), whale.mentions)
            assertNull(whale.edited)
        }

    // scenario: take-back
    @Test
    fun `what waits can be taken back and expires`() =
        scene {
            val two = two()
            two.client.goOffline()
            val gone = two.room.send("never mind")
            val late = two.room.sendWith("too late", onFailure = OnFailure.SKIP, expiresAfterMs = 1)
            val kept = two.room.send("kept")
            two.timeline.awaitMessage(late, "it expires") {
                (it.state as? MessageState.Failed)?.reason is FailReason.Expired
            }
            two.room.cancel(gone)
            two.client.goOnline()
            two.peerTimeline.awaitMessage(kept, "it arrives") { it.text == "kept" }
            two.peerTimeline.awaitSent(listOf("kept"))
            two.room.discard(late)
            two.room.cancel(kept)
            two.peerTimeline.awaitMessage(kept, "it is deleted") { it.deleted != null }
        }

    // scenario: edit-delete-react
    @Test
    fun `what is deleted is gone for all and an owner may delete anybody's`() =
        scene {
            val two = two(group = true)
            val own = two.say("a secret")
            val other = two.theirs.send("a rude word")
            two.timeline.awaitMessage(other, "it is there") { it.text != null }
            failure<TidewireException.NotYours> { two.theirs.delete(own) }
            two.room.delete(own)
            two.room.delete(other)
            for (timeline in two.timelines) {
                for (id in listOf(own, other)) {
                    val gone = timeline.awaitMessage(id, "gone") { it.deleted?.seq != null }
                    assertEquals(listOf(null, null, null), listOf(gone.text, gone.contentJson, gone.edited))
                }
            }
            val late = failure<TidewireException.MessageDeleted> { two.room.edit(own, "no") }
            assertEquals(own, late.id)
            failure<TidewireException.MessageDeleted> { two.room.react(own, "👍") }
        }

    // scenario: edit-delete-react
    @Test
    fun `reactions are counted, show at once and can be taken back`() =
        scene {
            val two = two()
            val id = two.say("Tea?")
            two.client.goOffline()
            two.room.react(id, "👍")
            two.room.react(id, "👍")
            val own = Reactions("👍", 1, mine = true, by = listOf(ada))
            val shown = two.timeline.awaitMessage(id, "at once") { it.reactions == listOf(own) }
            assertTrue(shown.changing)
            two.client.goOnline()
            two.peerTimeline.awaitMessage(id, "ada's") { it.reactions.singleOrNull()?.count == 1L }
            two.theirs.react(id, "👍")
            two.theirs.react(id, "☕")
            val seen = two.timeline.awaitMessage(id, "both") { it.reactions.size == 2 }
            val both =
                listOf(
                    Reactions("👍", 2, mine = true, by = listOf(ada, grace)),
                    Reactions("☕", 1, mine = false, by = listOf(grace)),
                )
            assertEquals(both, seen.reactions)
            two.room.unreact(id, "👍")
            for (timeline in two.timelines) {
                timeline.awaitMessage(id, "one is left") { message ->
                    message.reactions.map { it.count } == listOf(1L, 1L) && !message.changing
                }
            }
        }

    // scenario: quote-thread
    @Test
    fun `a quote says what the message says now and a thread is counted at its root`() =
        scene {
            val two = two()
            val root = two.say("Where?")
            val quote = two.theirs.reply(root, "Here")
            for (timeline in two.timelines) {
                val seen = timeline.awaitMessage(quote, "the quote") { it.replyTo?.message != null }
                assertEquals(Quote(root, Quoted(ada, "Where?", deleted = false)), seen.replyTo)
            }
            two.room.edit(root, "Where now?")
            two.peerTimeline.awaitMessage(quote, "what it says now") {
                it.replyTo?.message?.text == "Where now?"
            }
            two.theirs.sendInThread(root, "aside")
            two.room.sendInThread(root, "more", mentions = listOf(grace))
            for (timeline in two.timelines) {
                val seen = timeline.awaitMessage(root, "two replies") { it.replies?.count == 2L }
                assertTrue(assertNotNull(seen.replies).lastAtMs >= seen.atMs)
                timeline.awaitSent(listOf("Where now?", "Here"))
            }
            two.room.delete(root)
            two.peerTimeline.awaitMessage(quote, "what is gone") {
                it.replyTo?.message == Quoted(ada, null, deleted = true)
            }
        }

    @Test
    fun `what can not be done to a message is told by type, and nothing is sent`() =
        scene {
            val two = two()
            val id = two.say("Hello")
            failure<TidewireException.InvalidId> { two.room.edit("no id", "x") }
            failure<TidewireException.InvalidMessage> { two.room.edit(id, "") }
            failure<TidewireException.InvalidMessage> { two.room.react(id, "") }
            failure<TidewireException.InvalidText> { two.room.edit(id, "\uD83D") }
            failure<TidewireException.InvalidText> { two.room.react(id, "\uD83D") }
            failure<TidewireException.InvalidText> { two.room.unreact("\uD83D", "x") }
            failure<TidewireException.InvalidText> { two.room.delete("\uD83D") }
            failure<TidewireException.InvalidText> { two.room.setDraft("\uD83D") }
            val created = two.timeline.rows.await("the room's first event") { it.rows.size >= 2 }
            val event = created.messages.first { it.kind == "room.created" }
            failure<TidewireException.UnknownMessage> { two.room.react(event.id, "👍") }
            assertEquals(0, two.client.rooms().single().pending)
        }
}
