package dev.tidewire

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.launch
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class SearchTest {
    // scenario: search
    @Test
    fun `messages are found on the device and on the server, and it says what that covers`() =
        scene {
            val client = open(ada)
            val room = client.directRoom(grace)
            val timeline = room.timeline()
            val text = "Meet me at the Café, Tomorrow 🎉"
            val id = room.send(text)
            room.send("something else")
            timeline.awaitSent(listOf(text, "something else"))
            for (query in listOf("cafe tom", "CAFÉ", "🎉", "to")) {
                val page = client.search(query)
                assertEquals(listOf(id), page.hits.map { it.message.id }, query)
                assertEquals(SearchSource.DEVICE, page.source)
                assertNull(page.next)
            }
            val found = client.search("cafe")
            val hit = found.hits.single()
            assertEquals(text, hit.snippet.joinToString("") { it.text })
            assertEquals(listOf("Café"), hit.snippet.filter { it.matched }.map { it.text })
            assertEquals(room.id, hit.message.room)
            assertTrue(found.coverage.single { it.room == room.id }.complete)

            // Pages, one sender, one room.
            assertEquals(1, client.search("me", room = room.id, sender = ada, limit = 1).hits.size)
            assertEquals(emptyList(), client.search("cafe", sender = grace).hits)
            for (number in 1..3) room.send("so many $number")
            timeline.awaitSent(listOf(text, "something else") + (1..3).map { "so many $it" })
            val top = client.search("so many", limit = 2)
            assertEquals(listOf("so many 3", "so many 2"), top.hits.map { it.message.text })
            val rest = client.search("so many", limit = 2, after = assertNotNull(top.next))
            assertEquals(listOf("so many 1"), rest.hits.map { it.message.text })
            assertNull(rest.next)

            // What another device has not, the server finds.
            val tablet = open(ada)
            tablet.directRoom(grace)
            val everywhere = tablet.search("cafe", SearchScope.EVERYWHERE)
            assertEquals(listOf(id), everywhere.hits.map { it.message.id })
            assertTrue(everywhere.complete)
            // An edit is found by what it says now.
            room.edit(id, "Meet me at the bar")
            timeline.awaitMessage(id, "edited") { !it.changing && it.edited != null }
            assertEquals(emptyList(), client.search("cafe").hits)
            assertEquals(listOf(id), client.search("bar").hits.map { it.message.id })
            for (nothing in listOf("", " ,.", "x".repeat(1_000))) {
                val error = failure<TidewireException.InvalidSearch>(nothing) { client.search(nothing) }
                assertTrue(error.reason in error.message)
            }
            failure<TidewireException.InvalidText> { client.search("\uD83D") }
            launch(start = CoroutineStart.UNDISPATCHED) { client.search("bar") }.cancelAndJoin()
            client.close()
            failure<TidewireException.Closed> { client.search("bar") }
        }

    // scenario: profiles
    @Test
    fun `a profile is shown to others and its change is told`() =
        scene {
            val client = open(ada)
            val peer = open(grace)
            val room = client.directRoom(grace)
            val list = client.roomList()
            list.setVisible(0, 5)
            val update = ProfileUpdate("Grace 🌊 جريس", "https://example.com/g")
            val own = peer.updateProfile(update)
            assertEquals(listOf(grace, update.name), listOf(own.user, own.name))
            assertTrue(own.updatedAtMs > 0)
            val told = client.profiles(listOf(grace, ada))
            val seen = told.await("grace's name") { it[grace]?.name == update.name }
            assertEquals(own, seen[grace])
            assertNull(seen[ada]?.name)
            val row = list.awaitRow(room, "in the list too") { it.profile?.name == update.name }
            assertEquals(listOf(update.avatarUrl, grace), listOf(row.profile?.avatarUrl, row.peer))
            failure<TidewireException.Refused> { peer.updateProfile(ProfileUpdate("x".repeat(2_000))) }
            // Without a network it is as it was last seen.
            client.goOffline()
            told.await("as last seen") { it[grace] == own }
            failure<TidewireException.InvalidText> { client.profiles(listOf("\uD83D")).collect() }
            client.shutdown()
            failure<TidewireException.Closed> { told.collect() }
        }
}
