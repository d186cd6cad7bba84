package dev.tidewire

/** Why something is reported. */
public enum class ReportReason {
    /** Unwanted advertising, or the same again and again. */
    SPAM,

    /** Insults, threats, harassment. */
    ABUSE,

    /** What is against the law, or against the rules of the place. */
    ILLEGAL,

    /** Somebody passes for somebody else. */
    IMPERSONATION,

    /** Anything else: the note says what. */
    OTHER,
}

/**
 * A report, for those who keep order.
 *
 * @property id its id: for [Room.resolveReport].
 * @property by the id of who has made it.
 * @property atMs when: ms since 1970-01-01 UTC.
 * @property user the id of who is reported.
 * @property message the message as it was then: what becomes of it changes nothing here.
 * @property reason why.
 * @property note more of it.
 * @property resolvedBy the id of who has done with it; null while it is open.
 * @property resolvedAtMs when that was: ms since 1970-01-01 UTC.
 */
public data class Report(
    val id: String,
    val by: String,
    val atMs: Long,
    val user: String,
    val message: Message?,
    val reason: ReportReason,
    val note: String?,
    val resolvedBy: String?,
    val resolvedAtMs: Long?,
)

/**
 * A page of the reports of a room.
 *
 * @property reports at most 50, the oldest first.
 * @property next where the next page begins: for [Room.reports]; null after the last one.
 */
public data class ReportPage(
    val reports: List<Report>,
    val next: String?,
)
