package dev.tidewire

import dev.tidewire.ffi.CancelToken
import dev.tidewire.internal.AppTokens
import dev.tidewire.internal.deciding
import dev.tidewire.internal.follow
import dev.tidewire.internal.latest
import dev.tidewire.internal.making
import dev.tidewire.internal.query
import dev.tidewire.internal.reading
import dev.tidewire.internal.readingOrEnd
import dev.tidewire.internal.searchQuery
import dev.tidewire.internal.toApi
import dev.tidewire.internal.toFfi
import dev.tidewire.internal.translated
import dev.tidewire.internal.valid
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.flow
import java.io.Closeable
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicReference
import kotlin.time.Duration
import dev.tidewire.ffi.Client as FfiClient
import dev.tidewire.ffi.ClientEvent as FfiClientEvent
import dev.tidewire.ffi.EventSubscription as FfiEvents
import dev.tidewire.ffi.Timeline as FfiTimeline

/**
 * One user's client: where everything else comes from. Thread-safe; no call keeps the thread of its
 * caller. One for each account is enough; a second one on the same folder is refused.
 */
public class TidewireClient private constructor(
    private val handle: FfiClient,
) : Closeable {
    private val closed = AtomicBoolean()

    /** Never cancelled: what runs in it was decided by the user, or ends with the core's client. */
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** Begins with the first who asks, and is the same for all. */
    private val ending =
        scope.async(start = CoroutineStart.LAZY) {
            try {
                translated { handle.shutdown() }
            } finally {
                handle.destroy()
            }
        }

    /** Made with the client, so that its first words are not lost: for the first collector. */
    private val firstEvents = AtomicReference<FfiEvents?>(handle.events())

    /** The id of the user whose client this is. Also after [close]. */
    public val user: String = handle.user()

    /**
     * The mode and why it is so: its value is what they are now, collecting it gives each newer one
     * and leaves out what was passed meanwhile. After [close] it keeps the last one.
     */
    public val mode: StateFlow<ModeStatus> = scope.follow(handle.watchMode(), handle.mode().toApi())

    /**
     * What the client tells of itself. The first collector is told everything since the client was
     * opened, each later one what happens from its start on. Ends when the client is closed. Waits
     * for neither network nor disk. Fails with [TidewireException.Closed] if it was closed before.
     */
    public val events: Flow<ClientEvent> =
        flow {
            live()
            val subscription = firstEvents.getAndSet(null) ?: reading { live().events() }
            try {
                var after = 0uL
                while (true) {
                    val batch = readingOrEnd { subscription.next(after, null) } ?: break
                    if (batch.missed > 0uL) emit(ClientEvent.Missed(batch.missed.toLong()))
                    batch.events.forEach { emit(it.toApi()) }
                    after = batch.number
                }
            } finally {
                subscription.destroy()
            }
        }

    /**
     * The rooms, the most recently active first: from memory, also without a network.
     *
     * @throws TidewireException `Closed`.
     */
    public suspend fun rooms(): List<RoomSummary> = reading { live().rooms().map { it.toApi() } }

    /**
     * Opens a list of rooms, sorted and filtered: for a screen that scrolls. From memory, also without
     * a network. While it is open the client fetches ahead what it shows: see [RoomList.setVisible].
     * Close it when nobody looks any more.
     *
     * @param sort the order. Pinned rooms stand above all others.
     * @param filter which rooms.
     * @param window how many rows are told at most, those around what is visible: 1 to 500 (100).
     * @throws TidewireException `InvalidText`, `Suspended`, `Closed`, those of the store.
     */
    public suspend fun roomList(
        sort: RoomSort = RoomSort.RECENT,
        filter: RoomFilter = RoomFilter(),
        window: Int? = null,
    ): RoomList {
        val query = query(sort, filter, window)
        return making { RoomList(live().openRoomList(query), this) }
    }

    /**
     * Gets a file of a message, unless it is on this device already. The client begins at once and
     * carries it through: in every mode but offline, on from what is there after a cut or a restart, and
     * not while the app is suspended. Several downloads of one file are one; at most 3 files come at a
     * time, those asked for first before the others. What came is kept for as long as
     * [Settings.fileCacheBytes] allows. Returns at once. Close what it gives.
     *
     * @throws TidewireException `InvalidText`; `InvalidId` if the key or the checksum is none; `Closed`.
     */
    public fun download(attachment: Attachment): Download {
        val file = attachment.toFfi()
        return Download(translated { live().download(file) }, this)
    }

    /**
     * What is unread of all rooms together, for a badge: at first as it is, then each newer number,
     * without those that were passed meanwhile. Of rooms that the user is in and has not archived;
     * muted ones count only what mentions the user. From memory. Ends when the client is closed. Fails
     * with [TidewireException.Closed] if it was closed before.
     */
    public val unreadTotal: Flow<Unread> =
        latest(
            subscribe = { live().events() },
            concerns = { event -> event is FfiClientEvent.UnreadTotalChanged },
            read = { live().unreadTotal().toApi() },
        )

    /**
     * Creates a group with these other [members], at most 100, by their ids; this user owns it. More
     * are invited with [Room.addMembers], and [Room.leave] leaves it. Goes on if the caller is
     * cancelled. Waits for the network.
     *
     * @throws TidewireException `InvalidText`, `InvalidId`, `Offline`, `Network`, `AuthRequired`,
     *   `Refused`, `Closed`, those of the store.
     */
    public suspend fun createGroup(name: String, members: List<String>): Room {
        val others = valid("members", members)
        valid("name", name)
        return room(scope.deciding { live().createGroup(name, others) })
    }

    /**
     * The room of this user and [peer]: there is one for each pair, and it is created if it was not
     * there. Goes on if the caller is cancelled. Waits for the network; a room that is known is
     * found without one by [rooms].
     *
     * @throws TidewireException as for [createGroup].
     */
    public suspend fun directRoom(peer: String): Room {
        valid("peer", peer)
        return room(scope.deciding { live().directRoom(peer) })
    }

    /**
     * Where these [users] stand, by their ids: at first as it is, then each newer state, without
     * those that were passed meanwhile. Known are the members of watched rooms: the 20 nearest to
     * the eye (open, visible, unread, recently active), each of at most 100 members unless the
     * server states less. All others are [Presence.Unknown], and so is everybody in the
     * background, without a network, and once the server was not heard for a while; the user's own
     * presence always is. From memory. Ends when the client is closed. Fails with
     * [TidewireException] `InvalidText`, `InvalidId`, and with `Closed` if it was closed before.
     */
    public fun presence(users: List<String>): Flow<Map<String, Presence>> =
        latest(
            subscribe = { live().events() },
            concerns = { event -> event is FfiClientEvent.PresenceChanged },
            read = {
                val asked = valid("users", users)
                asked.zip(live().presence(asked).map { it.toApi() }).toMap()
            },
        )

    /**
     * What these [users] show of themselves, by their ids: at first as it was last seen, then each newer
     * state, without those that were passed meanwhile. Those that are older than [Settings.cacheTtl] are
     * given at once too, and fetched. All that is asked for at once is one request for each 100 users,
     * whoever asks: so each row of a list may ask for its own. Without a network, and while the app is
     * suspended, a user of whom nothing is known has an empty profile; what is missing is given
     * afterwards. Ends when the client is closed. Fails with [TidewireException] `InvalidText`,
     * `InvalidId`, `StoreFailed`, and with `Closed` if it was closed before.
     */
    public fun profiles(users: List<String>): Flow<Map<String, Profile>> =
        latest(
            subscribe = { live().events() },
            concerns = { it is FfiClientEvent.ProfilesChanged && it.users.any(users::contains) },
            read = {
                val asked = valid("users", users)
                asked.zip(live().profiles(asked).map { it.toApi() }).toMap()
            },
        )

    /**
     * Blocks the [user] with this id. Shows at once, also without a network and after a restart; the server is told as
     * soon as there is a network, and tells the user's other devices. Of several wishes the newest counts.
     *
     * In the direct room of the two nothing is written any more, by neither: what the blocked one sends fails with the
     * code `blocked`, which does not say why, what this user sends with `unblock_first`. The blocked one can neither
     * begin a direct room with the user nor add him to a group, and neither hears of the other whether he is here or
     * types. In groups that both are in everything goes on: [Message.blocked] marks what the blocked one says, so that
     * an app shows it folded away. What is unread counts it, and so do mentions. Goes on if the caller is cancelled.
     * Waits for the disk only.
     *
     * @throws TidewireException `InvalidBlock`, `InvalidText`, `InvalidId`, `Suspended`, `Closed`, those of the store.
     */
    public suspend fun block(user: String) {
        valid("user", user)
        scope.deciding { live().block(user) }
    }

    /**
     * Ends that, in the same way. For somebody who is not blocked it does nothing.
     *
     * @throws TidewireException as for [block].
     */
    public suspend fun unblock(user: String) {
        valid("user", user)
        scope.deciding { live().unblock(user) }
    }

    /**
     * Whom the user has blocked, by user id: at first as it is, then each newer state, without those that were passed
     * meanwhile. From memory, with what the server does not know yet. Ends when the client is closed. Fails with
     * [TidewireException] `Closed` if it was closed before.
     */
    public fun blocked(): Flow<List<String>> =
        latest(
            subscribe = { live().events() },
            concerns = { it is FfiClientEvent.BlockedChanged },
            read = { live().blocked() },
        )

    /**
     * Replaces the user's own profile, and gives it as it is now. Goes on if the caller is cancelled.
     * Waits for the network.
     *
     * @throws TidewireException `InvalidText`, `Offline`, `Network`, `AuthRequired`, `Refused`,
     *   `Closed`, those of the store.
     */
    public suspend fun updateProfile(update: ProfileUpdate): Profile {
        val shown = update.toFfi()
        return scope.deciding { live().updateProfile(shown).toApi() }
    }

    /**
     * Looks for messages: the newest first. On the [SearchScope.DEVICE] it waits for the disk only.
     * [SearchScope.EVERYWHERE] asks the server too, unless all there is is here already; then it waits
     * for the network. Without one it gives what is here, and [SearchPage.complete] says that this is
     * not everything. Cancelling it is safe.
     *
     * A text is found by its words, whatever their case and accents; where a script has no spaces
     * between words, by any part; emoji are words. All words have to be in a message; the last one may
     * be the beginning of a word, from two letters on. There are no operators.
     *
     * @param text what somebody has typed: at most 512 bytes, with at least one letter, digit or emoji.
     * @param scope where to look.
     * @param room only in the room with this id.
     * @param sender only what the user with this id has said.
     * @param limit how many at most: 1 to 50.
     * @param after the [SearchPage.next] of the page before.
     * @throws TidewireException `InvalidSearch`, `InvalidText`, `InvalidId`, `UnknownRoom`, `Refused`,
     *   `Closed`, those of the store; for a page that goes on with what the server found also
     *   `Offline`, `Network`, `AuthRequired`.
     */
    public suspend fun search(
        text: String,
        scope: SearchScope = SearchScope.DEVICE,
        room: String? = null,
        sender: String? = null,
        limit: Int = 20,
        after: String? = null,
    ): SearchPage {
        val query = searchQuery(text, scope, room, sender, limit, after)
        return reading { live().search(query, null).toApi() }
    }

    /**
     * The room with this id, whether it exists or not: its calls find out. Waits for nothing.
     *
     * @throws TidewireException.InvalidText if it is no valid Unicode.
     */
    public fun room(id: String): Room = Room(this, valid("id", id))

    /**
     * Tells where the app stands in its lifecycle; [AppState.FOREGROUND] at the start. The client
     * hears of it at once; this returns once the state holds: for [AppState.SUSPENDED] when no file
     * is open or locked, no timer is armed and nothing is on its way. Until the app says otherwise,
     * calls that need the disk or the network then fail with [TidewireException.Suspended]. Goes on
     * if the caller is cancelled.
     *
     * @throws TidewireException `Closed`, `Internal`.
     */
    public suspend fun setAppState(state: AppState): Unit =
        scope.deciding { live().setAppState(state.toFfi()) }

    /**
     * Sends what waits and reads what is new, for the moments that the system grants to an app in
     * the background: a worker, a push message. If the app is suspended, the client wakes for it
     * and rests again before this returns. Goes on if the caller is cancelled. Waits for the
     * network, at most until the deadline.
     *
     * @throws TidewireException `Offline`, `Closed`, those of the store.
     */
    public suspend fun refreshOnce(deadline: Duration): Refreshed =
        scope.deciding {
            val ms = deadline.inWholeMilliseconds.coerceAtLeast(0).toULong()
            live().refreshOnce(ms).toApi()
        }

    /**
     * Why the mode is what it is: every ceiling with what it allows, which one binds and for how
     * long, and what the client waits for. From memory, also while the app is suspended.
     *
     * @throws TidewireException `Closed`.
     */
    public suspend fun why(): Why = reading { live().why().toApi() }

    /**
     * What was spent in the last hour of what [setBudget] or the settings allow. From memory, also
     * while the app is suspended.
     *
     * @throws TidewireException `Closed`.
     */
    public suspend fun budget(): BudgetReport = reading { live().budget().toApi() }

    /**
     * Which tier (memory, disk, server) answered how many reads, how fast, and what each holds; and
     * how long the client took to its first byte, list and screen. Waits for the disk.
     *
     * @throws TidewireException `Suspended`, `Closed`, those of the store.
     */
    public suspend fun cacheReport(): CacheReport = reading { live().cacheReport().toApi() }

    /**
     * Sets what the client may spend in any hour; what it spent in the last one counts. Any number
     * makes sense: see [Budget]. Returns at once.
     *
     * @throws TidewireException.Closed
     */
    public fun setBudget(budget: Budget): Unit = translated { live().setBudget(budget.toFfi()) }

    /**
     * Tells whether the system saves power: then the highest mode is [Mode.HYBRID]. Returns at once.
     *
     * @throws TidewireException.Closed
     */
    public fun setPower(low: Boolean): Unit = translated { live().setPower(low) }

    /**
     * Tells what the network is like. Returns at once.
     *
     * @throws TidewireException.Closed
     */
    public fun setNetwork(network: Network): Unit =
        translated { live().setNetwork(network.toFfi()) }

    /**
     * Sets the highest mode that the app wants; [Mode.REAL_TIME] at the start. Returns at once.
     *
     * @throws TidewireException.Closed
     */
    public fun setModeCeiling(mode: Mode): Unit = translated { live().setModeCeiling(mode.toFfi()) }

    /**
     * Tells which rooms the app shows in a list now, from top to bottom; the first 20 count. In
     * [Mode.HYBRID] they are live before all others that are not open. Returns at once.
     *
     * @throws TidewireException.InvalidId
     * @throws TidewireException.Closed
     */
    public fun setVisibleRooms(rooms: List<String>): Unit = translated {
        live().setVisibleRooms(rooms)
    }

    /**
     * Begins to end the client, and returns at once: [shutdown] waits. Every other call fails with
     * [TidewireException.Closed] from now on; timelines and [events] end. What waits in the outbox
     * is on disk and goes out after the next start. Idempotent.
     */
    override fun close() {
        closed.set(true)
        ending.start()
    }

    /**
     * The same, and waits for the disk until the account's folder is free for another client. Goes
     * on if the caller is cancelled. Idempotent, also after [close].
     *
     * @throws TidewireException.Internal
     */
    public suspend fun shutdown() {
        close()
        ending.await()
    }

    /**
     * Ends the client and the account on this device: its socket, its timers, what it has in memory,
     * and all its files, those of [Settings.record] excepted. With [Logout.KEEP] that is refused while
     * something waits to be sent; the client goes on then. Else every other call fails with
     * [TidewireException.Closed] from now on, as after [close]. Goes on if the caller is cancelled.
     * Waits for the disk.
     *
     * @throws TidewireException `PendingSends` and, while the app is suspended, `Suspended` with
     *   [Logout.KEEP]: nothing has changed then. Those of the store: the client has ended, and some of
     *   its files may be left. `Closed`.
     */
    public suspend fun logout(logout: Logout) {
        scope
            .async {
                try {
                    translated { live().logout(logout.toFfi()) }
                } catch (refused: TidewireException.PendingSends) {
                    throw refused
                } catch (refused: TidewireException.Suspended) {
                    throw refused
                } catch (error: TidewireException) {
                    close()
                    throw error
                }
                close()
            }.await()
    }

    /** A call of a room that ends with its caller. */
    internal suspend fun <T> read(call: suspend (FfiClient) -> T): T = reading { call(live()) }

    /** A call of a room that goes on if its caller gives up. */
    internal suspend fun <T> decide(call: suspend (FfiClient) -> T): T =
        scope.deciding { call(live()) }

    internal fun typing(room: String) {
        try {
            translated { live().typing(room) }
        } catch (_: TidewireException.Closed) {
            // Nobody types any more.
        }
    }

    internal fun typists(room: String): Flow<List<String>> =
        latest(
            subscribe = { live().events() },
            concerns = { event -> event is FfiClientEvent.TypingChanged && event.room == room },
            read = { live().typists(room) },
        )

    internal suspend fun timeline(
        room: String,
        open: suspend (FfiClient, CancelToken) -> FfiTimeline,
    ): Timeline = making { token -> Timeline(open(live(), token), this, room) }

    internal val isClosed: Boolean get() = closed.get()

    private fun live(): FfiClient = if (isClosed) throw TidewireException.Closed() else handle

    /** Where clients come from. */
    public companion object {
        /**
         * Opens the store and starts the client. Waits for the disk, never for the network: with
         * what is cached the client works at once. The first call in a process also loads the
         * native library, on a thread of its own, so that it may be called from any.
         *
         * @param settings the server, the user, the folder, and the knobs.
         * @param tokenProvider gives a token that is valid now: the app's own way to its sign-in
         *   server. Called on a background thread, ahead of expiry and after a refusal, never twice
         *   at a time, and given 30 s to answer. If it throws, or takes longer,
         *   [ClientEvent.AuthRequired] says so with the exception's message, sends wait, and it is
         *   asked again, with growing delays.
         * @throws TidewireException `InvalidText`, `InvalidUrl`, `InvalidId`, `InvalidSetting`, and
         *   those of the store: `FolderInUse`, `FolderUnusable`, `Damaged`, `NewerDatabase`,
         *   `DiskFull`, `StoreFailed`.
         */
        public suspend fun open(
            settings: Settings,
            tokenProvider: suspend () -> String,
        ): TidewireClient =
            making { TidewireClient(FfiClient.open(settings.toFfi(), AppTokens(tokenProvider))) }
    }
}
