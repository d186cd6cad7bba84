package dev.tidewire

/**
 * What a client may spend in any hour. What is null is not limited. It plans what the client does by
 * itself; what the app or its user asks for goes out all the same, and counts. With a limit of 0 the
 * client reads only when it is asked.
 *
 * @property maxWakeupsPerHour times that the client begins to use the network after a silence.
 * @property maxBytesPerHour bytes of payload in both directions.
 */
public data class Budget(
    val maxWakeupsPerHour: Int? = null,
    val maxBytesPerHour: Long? = null,
)

/**
 * What was spent in the last hour.
 *
 * @property wakeups wake-ups.
 * @property bytes bytes of payload.
 * @property windowMs the time that both are counted over.
 * @property nextReadMs when the client reads next by itself, from now; null where the feed is
 *   pushed, and where it reads only when it is asked.
 * @property exceeded whether more was spent than the budget allows, for instance by what a person
 *   asked for.
 */
public data class BudgetReport(
    val wakeups: Spent,
    val bytes: Spent,
    val windowMs: Long,
    val nextReadMs: Long?,
    val exceeded: Boolean,
)

/**
 * How much of one kind was spent.
 *
 * @property spent so much.
 * @property limit of so much; null if there is no limit.
 */
public data class Spent(
    val spent: Long,
    val limit: Long?,
)

/**
 * What a client is given and what it decides, written into a file, to be gone through again
 * elsewhere. Tokens are never in it.
 *
 * @property file the file; one that is there already is replaced.
 * @property verbatim whether the texts of all messages and the names of users are in it: for
 *   developers' own accounts.
 */
public data class Recording(
    val file: String,
    val verbatim: Boolean = false,
)
