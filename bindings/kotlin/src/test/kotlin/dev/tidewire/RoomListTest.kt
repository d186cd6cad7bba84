package dev.tidewire

import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.hours

class RoomListTest {
    // scenario: room-list
    @Test
    fun `a list of rooms is sorted, filtered and follows what happens`() =
        scene {
            val client = open(ada)
            val peer = open(grace)
            val direct = client.directRoom(grace)
            val harbour = client.createGroup("Harbour", listOf(grace))
            val anchor = client.createGroup("Ánchor", listOf(grace))
            val recent = peer.roomList()
            val unread = peer.roomList(RoomSort.UNREAD_FIRST)
            val names = peer.roomList(RoomSort.NAME, RoomFilter(kind = RoomKind.GROUP))
            val found = peer.roomList(filter = RoomFilter(name = "ANCH"))
            for ((room, text) in listOf(harbour to "one", anchor to "two", direct to "three")) {
                room.send(text)
                recent.awaitRow(room, text) { it.lastMessage?.text == text }
            }
            recent.awaitRooms(direct, anchor, harbour)
            names.awaitRooms(anchor, harbour)
            found.awaitRooms(anchor)
            val row = recent.awaitRow(direct, "one unread") { it.unread.messages == 1L }
            assertEquals(listOf(ada, RoomKind.DIRECT, null), listOf(row.peer, row.kind, row.name))
            peer.room(direct.id).markRead(1_000)
            unread.awaitRooms(anchor, harbour, direct)
            // One's own words, and a name that an owner changes.
            peer.room(harbour.id).send("mine")
            recent.awaitRooms(harbour, direct, anchor)
            harbour.update(RoomUpdate("A harbour", "https://example.com/h"))
            names.awaitRooms(harbour, anchor)
            val renamed = recent.awaitRow(harbour, "renamed") { it.name == "A harbour" }
            assertEquals("https://example.com/h", renamed.avatarUrl)
            assertEquals(Role.MEMBER, renamed.role)
            peer.room(anchor.id).leave()
            recent.awaitRooms(harbour, direct)
            found.awaitRooms()

            recent.close()
            recent.close()
            failure<TidewireException.Closed> { recent.rows.collect() }
            failure<TidewireException.Closed> { recent.setVisible(0, 1) }
            peer.close()
            failure<TidewireException.Closed> { names.batches.collect() }
            failure<TidewireException.Closed> { peer.roomList() }
        }

    @Test
    fun `a list is a window that moves with what is shown`() =
        scene {
            val client = open(ada)
            val rooms = (1..9).map { client.createGroup("$it", emptyList()) }
            val list = client.roomList(RoomSort.NAME, window = 4)
            val top = list.rows.await("all rooms") { it.total == 9 }
            assertEquals(listOf("1", "2", "3", "4"), top.rows.map { it.name })
            assertEquals(0, top.first)
            list.setVisible(5, 2)
            val moved = list.rows.await("it has moved") { it.first > 0 }
            assertTrue(moved.rows.map { it.name }.containsAll(listOf("6", "7")) && moved.rows.size == 4)
            // The batches go on where the rows ended.
            rooms[5].pin()
            val batch = list.batches.first()
            assertTrue(batch.number > 1 && batch.total == 9)
        }

    // scenario: draft
    @Test
    fun `a draft is there after a restart and shows in the list`() =
        scene {
            val folder = folder()
            val client = open(ada, folder)
            val room = client.directRoom(grace)
            room.setDraft("half a tho")
            client.shutdown()
            world.cut()
            val again = open(ada, folder)
            val same = again.room(room.id)
            val list = again.roomList()
            list.awaitRow(same, "the draft") { it.draft == "half a tho" }
            assertEquals("half a tho", same.draft())
            assertEquals("half a tho", again.rooms().single().draft)
            same.setDraft(null)
            list.awaitRow(same, "no draft") { it.draft == null }
            assertNull(same.draft())
            failure<TidewireException.InvalidMessage> { same.setDraft("x".repeat(40_000)) }
        }

    // scenario: room-settings
    @Test
    fun `what is set for a room shows at once and on the other device`() =
        scene {
            val phone = open(ada)
            val tablet = open(ada)
            val direct = phone.directRoom(grace)
            val group = phone.createGroup("Tea", emptyList())
            val lists = listOf(phone.roomList(), tablet.roomList())
            val away = tablet.roomList(filter = RoomFilter(archived = true))
            direct.send("newer")
            lists.forEach { it.awaitRooms(direct, group) }
            phone.goOffline()
            group.pin()
            group.mute()
            val set = RoomSettings(muted = true, pinned = true)
            lists[0].awaitRow(group, "at once") { it.settings == set }
            lists[0].awaitRooms(group, direct)
            phone.goOnline()
            lists[1].awaitRow(group, "on the other device") { it.settings == set }
            lists[1].awaitRooms(group, direct)
            tablet.room(direct.id).archive()
            lists.forEach { it.awaitRooms(group) }
            away.awaitRooms(direct)
            tablet.room(group.id).setSettings(RoomSettings())
            lists[0].awaitRow(group, "nothing is set any more") { it.settings == RoomSettings() }
        }

    // scenario: members
    @Test
    fun `members are invited, given a role and sent away, and all see it`() =
        scene {
            val client = open(ada)
            val peer = open(grace)
            val group = client.createGroup("Tea", emptyList())
            val theirs = peer.room(group.id)
            val list = peer.roomList()
            group.addMembers(listOf(grace))
            val invited = list.awaitRow(group, "the invitation") { it.members == 2L }
            assertEquals(Role.MEMBER, invited.role)
            val refused =
                failure<TidewireException.Refused> { theirs.update(RoomUpdate("Coffee")) }
            assertEquals("forbidden", refused.code)
            group.setRole(grace, Role.OWNER)
            list.awaitRow(group, "she owns it") { it.role == Role.OWNER }
            theirs.update(RoomUpdate("Coffee"))
            val page = group.members()
            assertEquals(setOf(ada, grace), page.members.map { it.user }.toSet())
            assertTrue(page.members.all { it.role == Role.OWNER && it.joinedAtMs > 0 })
            assertNull(page.next)
            val own = client.roomList()
            own.awaitRooms(group)
            theirs.removeMember(ada)
            own.awaitRooms()
            failure<TidewireException.NotAMember> { group.send("hello?") }
        }

    // scenario: moderation
    @Test
    fun `a moderator deletes, sends away and keeps out, and all see it`() =
        scene {
            val client = open(ada)
            val peer = open(grace)
            val group = client.createGroup("Tea", listOf(grace))
            val theirs = peer.room(group.id)
            val list = peer.roomList()
            val said = group.send("rubbish")
            list.awaitRow(group, "the message") { it.lastMessage?.id == said }
            failure<TidewireException.NotYours> { theirs.delete(said) }
            group.setRole(grace, Role.MODERATOR)
            list.awaitRow(group, "she keeps order") { it.role == Role.MODERATOR }
            theirs.delete(said)
            val own = client.roomList()
            own.awaitRow(group, "it is gone") { it.lastMessage?.deleted != null }
            theirs.ban("mallory", "spam")
            val page = group.bans()
            assertEquals(listOf("mallory"), page.bans.map { it.user })
            assertEquals(grace to "spam", page.bans.first().let { it.by to it.reason })
            assertNull(page.next)
            val refused =
                failure<TidewireException.Refused> { group.addMembers(listOf("mallory")) }
            assertEquals("banned", refused.code)
            theirs.unban("mallory")
            group.addMembers(listOf("mallory"))
            theirs.removeMember("mallory")
            group.ban(grace)
            list.awaitRooms()
            failure<TidewireException.NotAMember> { theirs.send("hello?") }
        }

    // scenario: mute
    @Test
    fun `a muted member reads on, hears until when, and writes again once it ends`() =
        scene {
            val client = open(ada)
            val peer = open(grace)
            val group = client.createGroup("Tea", listOf(grace))
            val list = peer.roomList()
            list.awaitRow(group, "the room") { it.mute == null }
            val theirs = peer.room(group.id)
            val refused = failure<TidewireException.Refused> { theirs.muteMember(ada) }
            assertEquals("forbidden", refused.code)
            group.muteMember(grace, 1.hours, "noise")
            val until = list.awaitRow(group, "she is muted") { it.mute != null }.mute?.untilMs
            val listed = group.mutedMembers().mutes.single()
            assertEquals(Triple(grace, ada, "noise"), Triple(listed.user, listed.by, listed.reason))
            assertEquals(until, listed.mute.untilMs)
            assertEquals(until, group.members().members.single { it.user == grace }.mute?.untilMs)
            val timeline = theirs.timeline()
            val id = theirs.send("may I?")
            val failed =
                timeline.awaitMessage(id, "it has failed") { it.state is MessageState.Failed }
            val why = (failed.state as MessageState.Failed).reason
            assertEquals(until, (why as FailReason.Muted).untilMs)
            group.send("hush")
            timeline.rows.await("she reads on") { it.message("hush") != null }
            group.unmuteMember(grace)
            list.awaitRow(group, "she may write") { it.mute == null }
            theirs.retry(id)
            timeline.awaitMessage(id, "it is sent") { it.state.isSent }
        }

    // scenario: slow-mode
    @Test
    fun `in slow mode messages wait for their turn in order and hold no other room up`() =
        scene {
            val client = open(ada)
            val peer = open(grace)
            val group = client.createGroup("Tea", listOf(grace))
            val other = client.createGroup("Coffee", listOf(grace))
            val list = peer.roomList()
            list.awaitRow(group, "the room") { it.slowMode == null }
            group.setSlowMode(1.hours)
            list.awaitRow(group, "it is slow") { it.slowMode == 1.hours }
            val theirs = peer.room(group.id)
            list.awaitRow(other, "the other room") { true }
            val sent = listOf("1", "2", "3").map { theirs.send(it) }
            val timeline = theirs.timeline()
            timeline.awaitMessage(sent[0], "the first is sent") { it.state.isSent }
            val elsewhere = peer.room(other.id).timeline()
            val there = peer.room(other.id).send("at once")
            elsewhere.awaitMessage(there, "the other room goes on") { it.state.isSent }
            timeline.awaitMessage(sent[1], "the second waits") { it.state is MessageState.Sending }
            group.setSlowMode(null)
            list.awaitRow(group, "it is slow no more") { it.slowMode == null }
            timeline.awaitSent(listOf("1", "2", "3"))
        }
}
