package dev.tidewire

import kotlin.time.Duration

/**
 * What a client is opened with. What is left out keeps its default, in brackets; bounds are checked
 * by [TidewireClient.open].
 *
 * @property url the server: `https://host[:port]`.
 * @property user whose client this is: the `sub` of the token.
 * @property dataDir the folder for all accounts' data; each account gets a folder of its own in it.
 *   On Android, below `context.filesDir`. Without it everything is kept in memory and ends with the
 *   client, pending sends too.
 * @property acceptLoss whether to begin although pending sends are damaged beyond reading (no):
 *   opening fails with [TidewireException.Damaged] then and changes nothing. With it, what can be read
 *   is kept, the damaged file is set aside, and [ClientEvent.Repaired] tells of it. Ask the user first.
 * @property inBackground whether the system started the app in the background, with nobody looking
 *   (no). No socket is opened then.
 * @property maxConcurrentRooms rooms that are live at once in [Mode.HYBRID]: 0 to 20 (5).
 * @property messageBufferTime in a burst, at most one timeline update in this time: 0 to 60 s
 *   (1 s). A quiet room shows at once.
 * @property presenceHeartbeatInterval longest silence in the foreground: 1 s to 600 s (30 s).
 * @property backgroundHeartbeatInterval the same in the background, and how often the feed is
 *   polled there: 1 s to 600 s (60 s).
 * @property pollingInterval how often the feed is polled in [Mode.HYBRID] and [Mode.POLLING]:
 *   100 ms to 600 s (5 s).
 * @property slowPollingInterval the same on a 2G network: 100 ms to 600 s (10 s).
 * @property maxMessagesPerRoom messages of one room kept in memory: 50 to 100,000 (500).
 * @property cacheTtl how long profiles and room metadata count as fresh (300 s).
 * @property cacheBytes bytes of messages kept on disk: at least 1,000,000 (256 MiB). Above it the
 *   oldest messages of the rooms that were not opened for longest go first, but for the newest 50 of
 *   each room; pending sends never do. What went is fetched again when somebody scrolls there.
 * @property fileCacheBytes bytes of downloaded files kept on disk: at least 1,000,000 (256 MiB). Above
 *   it those that were not used for longest go first; one that the app holds never does.
 * @property memoryBytes bytes of messages kept in memory, of all open timelines together: at least
 *   1,000,000 (24 MiB). Above it timelines that were not opened or scrolled lately keep their newest
 *   page only; the rest of it comes again by [Timeline.loadOlder].
 * @property spread time over which changes that audience or policy ask for are spread: 0 to 600 s
 *   (10 s).
 * @property outboxCapacity operations that may wait in the outbox: 1 to 1,000,000 (10,000).
 * @property budget what the client may spend in any hour (no limits).
 * @property rootCertificates certificates, as PEM, by which the server's own may be signed besides those that
 *   Mozilla trusts (none).
 * @property record where the client writes what it is given and what it decides (nowhere).
 */
public data class Settings(
    val url: String,
    val user: String,
    val dataDir: String? = null,
    val acceptLoss: Boolean = false,
    val inBackground: Boolean = false,
    val maxConcurrentRooms: Int? = null,
    val messageBufferTime: Duration? = null,
    val presenceHeartbeatInterval: Duration? = null,
    val backgroundHeartbeatInterval: Duration? = null,
    val pollingInterval: Duration? = null,
    val slowPollingInterval: Duration? = null,
    val maxMessagesPerRoom: Int? = null,
    val cacheTtl: Duration? = null,
    val cacheBytes: Long? = null,
    val fileCacheBytes: Long? = null,
    val memoryBytes: Long? = null,
    val spread: Duration? = null,
    val outboxCapacity: Int? = null,
    val budget: Budget = Budget(),
    val rootCertificates: String? = null,
    val record: Recording? = null,
)
