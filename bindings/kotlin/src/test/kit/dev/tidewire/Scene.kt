package dev.tidewire

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.firstOrNull
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import java.nio.file.Files
import java.nio.file.Path
import java.util.UUID
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.io.path.ExperimentalPathApi
import kotlin.io.path.deleteRecursively
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/** How long a test waits for what has to come. No test is green or red by how fast it comes. */
internal val PATIENCE = 90.seconds

/** A network, users that no other test has, and clients that are closed at the end. */
internal class Scene(
    scope: CoroutineScope,
) : CoroutineScope by scope {
    val world = Stage.world()
    val ada = "ada-${UUID.randomUUID()}"
    val grace = "grace-${UUID.randomUUID()}"
    private val clients = ConcurrentLinkedQueue<TidewireClient>()
    private val folders = ConcurrentLinkedQueue<Path>()

    /** Settings that make tests short. */
    fun settings(user: String, dataDir: Path? = null) =
        Settings(
            url = world.url,
            user = user,
            dataDir = dataDir?.toString(),
            pollingInterval = 200.milliseconds,
            spread = 0.seconds,
        )

    /** Opens a client that is closed at the end. */
    suspend fun open(
        user: String,
        dataDir: Path? = null,
        tokens: suspend () -> String = { Stage.token(user) },
    ): TidewireClient = TidewireClient.open(settings(user, dataDir), tokens).also(clients::add)

    /** The same with these settings. */
    suspend fun open(settings: Settings): TidewireClient =
        TidewireClient.open(settings) { Stage.token(settings.user) }.also(clients::add)

    fun folder(): Path = Files.createTempDirectory("tidewire").also(folders::add)

    @OptIn(ExperimentalPathApi::class)
    suspend fun end() {
        clients.forEach { it.shutdown() }
        folders.forEach { it.deleteRecursively() }
    }
}

/** One test, on one thread, as the screens of an app are. */
internal fun scene(play: suspend Scene.() -> Unit) =
    runBlocking {
        val scene = Scene(this)
        try {
            scene.play()
        } finally {
            withContext(NonCancellable) { scene.end() }
        }
    }

/** The first that fits; says what came instead if none does. */
internal suspend fun <T : Any> Flow<T>.await(what: String, fits: suspend (T) -> Boolean): T {
    var last: T? = null
    try {
        val found =
            withTimeout(PATIENCE) {
                firstOrNull { value ->
                    last = value
                    fits(value)
                }
            }
        return found ?: throw AssertionError("it ended without $what; the last was $last")
    } catch (_: TimeoutCancellationException) {
        throw AssertionError("$what did not come within $PATIENCE; the last was $last")
    }
}

/** Waits until the timeline shows these texts, all of them sent, and nothing else. */
internal suspend fun Timeline.awaitSent(texts: List<String>): TimelineState =
    rows.await("$texts, sent") { state ->
        val shown = state.texts
        check(shown.size <= texts.size) { "too many messages: $shown" }
        shown == texts && state.said.all { it.state.isSent }
    }

/** The message with this id, once it is shown so. */
internal suspend fun Timeline.awaitMessage(
    id: String,
    what: String,
    fits: (Message) -> Boolean,
): Message {
    val state = rows.await(what) { state -> state.messages.any { it.id == id && fits(it) } }
    return state.messages.single { it.id == id }
}

/** Waits until the list shows these rooms, in this order. */
internal suspend fun RoomList.awaitRooms(vararg rooms: Room) {
    val ids = rooms.map { it.id }
    this.rows.await("$ids") { state -> state.rows.map { it.room } == ids }
}

/** The row of this room, once it is so. */
internal suspend fun RoomList.awaitRow(
    room: Room,
    what: String,
    fits: (RoomListRow) -> Boolean,
): RoomListRow {
    val state = rows.await(what) { state -> state.rows.any { it.room == room.id && fits(it) } }
    return state.rows.single { it.room == room.id }
}

/** Without a network, and with one again. */
internal fun TidewireClient.goOffline() = setNetwork(Network(NetworkKind.NONE))

internal fun TidewireClient.goOnline() = setNetwork(Network(NetworkKind.WIFI))

/** Waits until this succeeds, for what becomes possible without saying so. */
internal suspend fun <T> eventually(what: String, attempt: suspend () -> T): T {
    val begin = TimeSource.Monotonic.markNow()
    while (true) {
        try {
            return attempt()
        } catch (error: TidewireException) {
            if (begin.elapsedNow() > PATIENCE) throw AssertionError("$what did not work out", error)
        }
        delay(20)
    }
}

/** What was said, oldest first, without the room's other events. */
internal val TimelineState.said: List<Message> get() = messages.filter { it.text != null }

/** The texts of the messages, oldest first. */
internal val TimelineState.texts: List<String> get() = said.mapNotNull { it.text }

/** The message with this text. */
internal fun TimelineState.message(text: String): Message? = messages.find { it.text == text }
