package dev.tidewire.examples

// snippet: readme
import dev.tidewire.Settings
import dev.tidewire.TidewireClient

suspend fun main(args: Array<String>) {
    val (url, user, peer, token) = args
    TidewireClient.open(Settings(url, user)) { token }.use { client ->
        val room = client.directRoom(peer)
        room.timeline().use { timeline ->
            room.send("Hello, $peer")
            timeline.rows.collect { state ->
                state.messages.forEach { println("${it.sender}: ${it.text} ${it.state}") }
            }
        }
    }
}
// end
