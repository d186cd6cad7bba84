package dev.tidewire.examples

import dev.tidewire.AppState
import dev.tidewire.Attachment
import dev.tidewire.Budget
import dev.tidewire.ClientEvent
import dev.tidewire.Fact
import dev.tidewire.LogFile
import dev.tidewire.LogLevel
import dev.tidewire.Logout
import dev.tidewire.Logs
import dev.tidewire.Message
import dev.tidewire.MessageState
import dev.tidewire.Network
import dev.tidewire.NetworkKind
import dev.tidewire.OnFailure
import dev.tidewire.Presence
import dev.tidewire.ProfileUpdate
import dev.tidewire.Quote
import dev.tidewire.Recording
import dev.tidewire.RefreshOutcome
import dev.tidewire.Role
import dev.tidewire.Room
import dev.tidewire.RoomFilter
import dev.tidewire.RoomKind
import dev.tidewire.RoomListState
import dev.tidewire.RoomSort
import dev.tidewire.RoomUpdate
import dev.tidewire.SearchHit
import dev.tidewire.SearchPage
import dev.tidewire.SearchScope
import dev.tidewire.Settings
import dev.tidewire.TidewireClient
import dev.tidewire.TidewireException
import dev.tidewire.Timeline
import dev.tidewire.TimelineRow
import dev.tidewire.TimelineStart
import dev.tidewire.TimelineState
import dev.tidewire.model.ClientStatus
import dev.tidewire.model.RoomListModel
import dev.tidewire.model.SearchModel
import dev.tidewire.model.TimelineModel
import dev.tidewire.refreshOnce
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.launch
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption.REPLACE_EXISTING
import java.util.Date
import kotlin.time.Duration.Companion.seconds

// snippet: chat
suspend fun chat(server: String, user: String, peer: String, token: String): Unit =
    TidewireClient.open(Settings(server, user)) { token }.use { client ->
        coroutineScope {
            val room = client.directRoom(peer)
            val model = TimelineModel(room, scope = this)
            // What is written stands in the model, as it would behind a text field.
            model.write("Hello, $peer")
            model.send()
            model.state.collect { state ->
                for (message in state.messages) {
                    println("${message.sender}: ${message.text} ${mark(message)}")
                    message.seq?.let(model::seen)
                }
            }
        }
    }
// end

// snippet: models
class ChatScreen(client: TidewireClient, room: String, scope: CoroutineScope) {
    val status = ClientStatus(client, scope)
    val rooms = RoomListModel(client, scope, RoomSort.UNREAD_FIRST)
    val chat = TimelineModel(client.room(room), scope)
    val search = SearchModel(client, scope)

    suspend fun bar(): Unit =
        combine(status.mode, status.latencyMs) { mode, latency ->
            "${mode.mode}, because ${mode.reasonText}, ${latency ?: "?"} ms"
        }.collect { println(it) }

    suspend fun notices(): Unit =
        status.notice.filterNotNull().collect { notice ->
            println("${notice.from} to ${notice.to}: ${notice.reasonText}")
            status.dismissNotice()
        }
}
// end

// snippet: job
suspend fun job(settings: Settings): Boolean =
    when (refreshOnce(settings, deadline = 30.seconds) { askSignInServer(settings.user) }) {
        RefreshOutcome.DONE -> true
        RefreshOutcome.LATER -> false
        RefreshOutcome.SIGN_IN -> false.also { println("sign in first") }
    }
// end

// snippet: log
suspend fun log(file: String) {
    Logs.writeInto(LogFile(file, LogLevel.DEBUG))
    // Beside it, what is worth looking at, into the app's own log.
    Logs.from(LogLevel.WARN).collect { batch ->
        batch.lines.forEach { println("${it.level} ${it.target}: ${it.text}") }
    }
}
// end

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
    for (room in client.rooms()) println("${room.name ?: room.peer}: ${room.unread.messages} unread")
    return client.directRoom(peer)
}
// end

// snippet: list
suspend fun showRooms(client: TidewireClient, firstOnScreen: Flow<Int>) {
    client.roomList(RoomSort.UNREAD_FIRST, RoomFilter(kind = RoomKind.GROUP)).use { list ->
        coroutineScope {
            // Twelve rows fit on the screen; told each time the user scrolls.
            launch { firstOnScreen.collect { first -> list.setVisible(first, 12) } }
            list.rows.collect { state -> draw(state) }
        }
    }
}

fun draw(state: RoomListState) {
    println("${state.first} to ${state.first + state.rows.size} of ${state.total}")
    for (row in state.rows) {
        val line = row.draft?.let { "Draft: $it" } ?: row.lastMessage?.text
        val least = if (row.unread.exact) "" else "at least "
        val name = row.name ?: row.profile?.name ?: row.peer
        println("$name: $line, $least${row.unread.messages} unread")
    }
}

suspend fun badge(client: TidewireClient) {
    client.unreadTotal.collect { total -> println("${total.messages} unread") }
}
// end

// snippet: settings
suspend fun onSwipe(room: Room) {
    room.mute()
    room.pin()
    room.archive(false)
}

suspend fun onLeaveScreen(room: Room, written: String) = room.setDraft(written)

suspend fun onEnterScreen(room: Room): String = room.draft().orEmpty()
// end

// snippet: members
suspend fun invite(room: Room, users: List<String>) {
    room.addMembers(users)
    room.setRole(users.first(), Role.OWNER)
    room.update(RoomUpdate(name = "Tea at five"))
    var page = room.members()
    while (true) {
        page.members.forEach { println("${it.user}: ${it.role}") }
        page = room.members(after = page.next ?: break)
    }
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

suspend fun share(room: Room, latitude: Double, longitude: Double): String =
    // An event of the app's own kind: it shows with its `kind` and `contentJson`.
    room.sendAs("com.example.place", "[$latitude,$longitude]")
// end

// snippet: options
suspend fun tellPlace(room: Room, place: String): String =
    // Of no use in ten minutes, and nothing has to wait for it.
    room.sendWith(place, onFailure = OnFailure.SKIP, expiresAfterMs = 600_000)

suspend fun undo(room: Room, message: Message) {
    // Gone without a trace if it was never sent, deleted if it may have arrived.
    room.cancel(message.id)
}
// end

// snippet: changes
suspend fun onLongPress(room: Room, message: Message, choice: String) {
    when (choice) {
        "like" -> room.react(message.id, "👍")
        "unlike" -> room.unreact(message.id, "👍")
        "correct" -> room.edit(message.id, "${message.text}, I mean")
        "quote" -> room.reply(message.id, "Indeed")
        "aside" -> room.sendInThread(message.id, "By the way")
        "remove" -> room.delete(message.id)
    }
}

fun details(message: Message): List<String> =
    buildList {
        message.replyTo?.let { add("> ${it.message?.text ?: "…"}") }
        if (message.deleted != null) add("(deleted)")
        if (message.edited != null) add("(edited)")
        message.reactions.forEach { add("${it.key} ${it.count}${if (it.mine) " with mine" else ""}") }
        message.replies?.let { add("${it.count} in its thread") }
        if (message.changing) add("…")
    }
// end

// snippet: read
suspend fun onSeen(room: Room, message: Message) {
    message.seq?.let { room.markRead(it) }
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
    if (state.moreBefore) timeline.loadOlder(50)
    state.rows.filterIsInstance<TimelineRow.Gap>().forEach { timeline.fillGap(it) }
}
// end

// snippet: search
suspend fun onLetter(client: TidewireClient, text: String): SearchPage = client.search(text)

suspend fun onPause(client: TidewireClient, text: String, page: SearchPage): SearchPage =
    if (page.complete) page else client.search(text, SearchScope.EVERYWHERE)

fun line(hit: SearchHit): String =
    hit.snippet.joinToString("") { if (it.matched) "[${it.text}]" else it.text }
// end

// snippet: profiles
suspend fun names(client: TidewireClient, users: List<String>) {
    client.profiles(users).collect { profiles -> println(users.map { profiles[it]?.name ?: it }) }
}

suspend fun rename(client: TidewireClient, name: String) {
    client.updateProfile(ProfileUpdate(name))
}
// end

// snippet: places
suspend fun showUnread(room: Room) {
    room.timeline(TimelineStart.FirstUnread).use { timeline ->
        timeline.rows.collect { state ->
            // The first one from there on: what stands at that very place may have no row.
            val first = state.messages.find { (it.seq ?: 0) >= (state.unreadFrom ?: Long.MAX_VALUE) }
            for (message in state.messages) {
                if (message === first) println("--- new ---")
                println(message.text)
            }
            if (state.moreAfter) println("(more below)")
        }
    }
}

suspend fun openQuoted(room: Room, quote: Quote): Timeline =
    room.timeline(TimelineStart.Message(quote.id))

suspend fun scrollDown(timeline: Timeline, state: TimelineState) {
    if (state.moreAfter) timeline.loadNewer(50)
}

suspend fun openThread(room: Room, root: Message): Timeline = room.thread(root.id)
// end

// snippet: lifecycle
suspend fun onStart(client: TidewireClient) = client.setAppState(AppState.FOREGROUND)

suspend fun onStop(client: TidewireClient) = client.setAppState(AppState.BACKGROUND)

fun onNetworkLost(client: TidewireClient) = client.setNetwork(Network(NetworkKind.NONE))

fun onWifi(client: TidewireClient) = client.setNetwork(Network(NetworkKind.WIFI))

fun onQuit(client: TidewireClient) = client.close()
// end

// snippet: logout
suspend fun onSignOut(client: TidewireClient, mayLose: suspend (pending: Long) -> Boolean) {
    try {
        client.logout(Logout.KEEP)
    } catch (waiting: TidewireException.PendingSends) {
        if (mayLose(waiting.pending)) client.logout(Logout.DISCARD)
    }
}
// end

// snippet: report
suspend fun report(client: TidewireClient) {
    val report = client.cacheReport()
    for (tier in listOf(report.memory, report.disk, report.server)) {
        println("${tier.hits} of ${tier.asked} reads, half of them within ${tier.p50Ms} ms, ${tier.bytes} bytes")
    }
    println("first screen after ${report.interactiveMs} ms")
}
// end

// snippet: events
suspend fun watch(client: TidewireClient, signIn: suspend (why: String) -> Unit) {
    client.events.collect { event ->
        when (event) {
            is ClientEvent.AuthRequired -> signIn(event.reason)
            is ClientEvent.SendFailed -> println("${event.target ?: event.id}: ${event.reason.text}")
            is ClientEvent.Repaired -> println("mended: ${event.repair.reason}")
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

// snippet: files
suspend fun open(client: TidewireClient, attachment: Attachment, shared: Path): Path =
    client.download(attachment).use { download ->
        coroutineScope {
            launch { download.progress.collect { println("${it.bytes} of ${it.size} bytes") } }
            // Under the name that its sender gave it, where the app keeps what it shares.
            val copy = shared.resolve(attachment.name)
            download.file().use { file -> Files.copy(file.path, copy, REPLACE_EXISTING) }
        }
    }
// end
