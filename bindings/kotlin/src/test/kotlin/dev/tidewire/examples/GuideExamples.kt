package dev.tidewire.examples

import dev.tidewire.AppState
import dev.tidewire.Budget
import dev.tidewire.ClientEvent
import dev.tidewire.Fact
import dev.tidewire.Message
import dev.tidewire.MessageState
import dev.tidewire.Network
import dev.tidewire.NetworkKind
import dev.tidewire.Presence
import dev.tidewire.Recording
import dev.tidewire.Room
import dev.tidewire.Settings
import dev.tidewire.TidewireClient
import dev.tidewire.TidewireException
import dev.tidewire.Timeline
import dev.tidewire.TimelineRow
import dev.tidewire.TimelineState
import kotlinx.coroutines.flow.combine
import java.util.Date

// snippet: open
suspend fun open(url: String, user: String, folder: String): TidewireClient {
    val settings = Settings(url, user, dataDir = folder)
    return TidewireClient.open(settings) { askSignInServer(user) }
}
// end

/** The app's own. */
var askSignInServer: suspend (String) -> String = { error("nobody is signed in") }

// snippet: rooms
suspend fun rooms(client: TidewireClient, peer: String): Room {
    for (room in client.rooms()) println("${room.name ?: room.peer}: ${room.lastMessage?.text}")
    return client.directRoom(peer)
}
// end

// snippet: show
suspend fun show(room: Room) {
    room.timeline().use { timeline ->
        timeline.rows.collect { state -> draw(state) }
    }
}

fun draw(state: TimelineState) {
    for (row in state.rows) {
        when (row) {
            is TimelineRow.Message -> println("${row.message.text}${mark(row.message)}")
            is TimelineRow.Gap -> println("--- ${row.from} to ${row.to} are not here ---")
        }
    }
}

fun mark(message: Message): String =
    when (val state = message.state) {
        MessageState.Sent -> "✓"
        MessageState.Delivered -> "✓✓"
        MessageState.Read -> "✓✓ read"
        MessageState.Sending -> " …"
        is MessageState.Waiting -> " (waits for one before it)"
        is MessageState.Failed -> " (${state.reason.text})"
    }
// end

// snippet: presence
suspend fun header(client: TidewireClient, room: Room, peer: String) {
    combine(client.presence(listOf(peer)), room.typists) { presence, typists ->
        if (peer in typists) {
            "$peer is typing …"
        } else {
            when (val where = presence[peer]) {
                Presence.Online -> "online"
                Presence.Away -> "away"
                is Presence.Offline -> where.lastSeenMs?.let { "last seen ${Date(it)}" } ?: "offline"
                else -> ""
            }
        }
    }.collect { line -> println(line) }
}

fun onKey(room: Room) = room.typing()
// end

// snippet: older
suspend fun scrollUp(timeline: Timeline, state: TimelineState) {
    if (state.more) timeline.loadOlder(50)
    state.rows.filterIsInstance<TimelineRow.Gap>().forEach { timeline.fillGap(it) }
}
// end

// snippet: lifecycle
suspend fun onStart(client: TidewireClient) = client.setAppState(AppState.FOREGROUND)

suspend fun onStop(client: TidewireClient) = client.setAppState(AppState.BACKGROUND)

fun onNetworkLost(client: TidewireClient) = client.setNetwork(Network(NetworkKind.NONE))

fun onWifi(client: TidewireClient) = client.setNetwork(Network(NetworkKind.WIFI))

fun onSignOut(client: TidewireClient) = client.close()
// end

// snippet: events
suspend fun watch(client: TidewireClient, signIn: suspend (why: String) -> Unit) {
    client.events.collect { event ->
        when (event) {
            is ClientEvent.AuthRequired -> signIn(event.reason)
            is ClientEvent.RoomsChanged -> println(client.rooms())
            else -> println(event)
        }
    }
}
// end

// snippet: why
suspend fun explain(client: TidewireClient, room: Room, message: String) {
    // "Polling because the network is 2G; everything else would allow real-time; …"
    println(client.why().sentence)
    // "Sending: second in the queue of this room, behind …, which waits for the network."
    println(room.why(message).sentence)
    for ((from, to) in room.why().facts.filterIsInstance<Fact.Gap>()) {
        println("$from to $to are missing")
    }
}
// end

// snippet: budget
suspend fun beFrugal(client: TidewireClient) {
    client.setBudget(Budget(maxWakeupsPerHour = 60, maxBytesPerHour = 500_000))
    val spent = client.budget()
    println("${spent.wakeups.spent} wake-ups; the next read in ${spent.nextReadMs} ms")
}

fun recorded(user: String, file: String): Settings =
    Settings("https://chat.example.com", user, record = Recording(file))
// end

// snippet: errors
suspend fun say(room: Room, text: String): String? =
    try {
        room.send(text)
        null
    } catch (full: TidewireException.OutboxFull) {
        "${full.capacity} messages wait already"
    } catch (error: TidewireException) {
        error.message
    }
// end
