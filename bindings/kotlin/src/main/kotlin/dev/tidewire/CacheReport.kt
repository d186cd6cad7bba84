package dev.tidewire

/**
 * How the three tiers do, from the opening of the client on.
 *
 * @property memory the windows of open rooms.
 * @property disk SQLite.
 * @property server the server.
 * @property messagesInMemory messages in memory.
 * @property files the files of the disk tier.
 * @property downloads the downloaded files of messages.
 * @property firstByteMs from opening to the first byte from the server; null yet without one.
 * @property firstListMs from opening until the list of rooms was known, from disk or from the server.
 * @property interactiveMs from opening until the first timeline had its rows: the first screen.
 * @property repair what was found damaged and mended, the last time that happened.
 */
public data class CacheReport(
    val memory: TierReport,
    val disk: TierReport,
    val server: TierReport,
    val messagesInMemory: Long,
    val files: Sizes,
    val downloads: DownloadReport,
    val firstByteMs: Long?,
    val firstListMs: Long?,
    val interactiveMs: Long?,
    val repair: Repair?,
)

/**
 * What one tier did since the client was opened.
 *
 * @property asked reads that came to this tier: those that no faster one could answer.
 * @property hits of these, reads that it answered. A read is a timeline that opens, a page of older
 *   messages, a gap that is filled, a request for profiles.
 * @property p50Ms the median time of an answer, as the upper end of its class: 0, 1, 2, 5, 10, 20, 50
 *   and so on. 0 if there was none.
 * @property p90Ms the time within which 90 of 100 answers came, likewise.
 * @property p99Ms the time within which 99 of 100 answers came, likewise.
 * @property maxMs the longest time.
 * @property expectedMs what is expected of the tier: 1 of memory, 10 of the disk, 100 of the server.
 * @property asExpected answers that took no longer than that.
 * @property bytes what it holds: memory, the messages of open rooms with what belongs to them; disk,
 *   all files of the store; server, what was received of it.
 */
public data class TierReport(
    val asked: Long,
    val hits: Long,
    val p50Ms: Long,
    val p90Ms: Long,
    val p99Ms: Long,
    val maxMs: Long,
    val expectedMs: Long,
    val asExpected: Long,
    val bytes: Long,
)

/**
 * How large the store's files are, in bytes.
 *
 * @property used of the cache's database, what is in use: what [Settings.cacheBytes] bounds.
 * @property database the cache's database, with the pages that are free to be used again.
 * @property log its write-ahead log.
 * @property outbox the outbox's database.
 */
public data class Sizes(
    val used: Long,
    val database: Long,
    val log: Long,
    val outbox: Long,
)

/**
 * What became of the files that the app wanted, since the client was opened.
 *
 * @property fromDisk files that were on the device already.
 * @property fromServer files that were fetched.
 * @property files files that are kept now.
 * @property bytes bytes of files that are kept, and of parts of others: at most
 *   [Settings.fileCacheBytes], and what the app holds beyond that.
 * @property received bytes of files that were received.
 */
public data class DownloadReport(
    val fromDisk: Long,
    val fromServer: Long,
    val files: Long,
    val bytes: Long,
    val received: Long,
)

/**
 * What was found damaged on disk, and what became of it.
 *
 * @property reason what was wrong, for the log.
 * @property cache whether the cache was set aside: rooms and messages come from the server again.
 * @property outbox if the outbox was damaged: how many pending operations were read from it, and are
 *   kept.
 * @property complete whether that was all of them. Without it something is lost, which
 *   [Settings.acceptLoss] allowed.
 */
public data class Repair(
    val reason: String,
    val cache: Boolean,
    val outbox: Long?,
    val complete: Boolean,
)
