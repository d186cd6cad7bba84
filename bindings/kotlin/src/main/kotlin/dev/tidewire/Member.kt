package dev.tidewire

/**
 * A member of a room.
 *
 * @property user the user's id.
 * @property role what the user may do.
 * @property joinedAtMs when the user was added: ms since 1970-01-01 UTC.
 * @property mute if the user may only read.
 */
public data class Member(
    val user: String,
    val role: Role,
    val joinedAtMs: Long,
    val mute: Mute?,
)

/**
 * A page of members.
 *
 * @property members at most 100, by user id.
 * @property next where the next page begins: for [Room.members]; null after the last one.
 */
public data class MemberPage(
    val members: List<Member>,
    val next: String?,
)

/**
 * Somebody who is kept out of a group.
 *
 * @property user who is kept out.
 * @property by who did it.
 * @property atMs when: ms since 1970-01-01 UTC.
 * @property reason why, if anything was said.
 */
public data class Ban(
    val user: String,
    val by: String,
    val atMs: Long,
    val reason: String?,
)

/**
 * A page of those who are kept out of a group.
 *
 * @property bans at most 100, by user id.
 * @property next where the next page begins: for [Room.bans]; null after the last one.
 */
public data class BanPage(
    val bans: List<Ban>,
    val next: String?,
)

/**
 * Somebody who may only read in a group.
 *
 * @property user who may only read.
 * @property by who did it.
 * @property atMs when: ms since 1970-01-01 UTC.
 * @property mute until when.
 * @property reason why, if anything was said.
 */
public data class MutedUser(
    val user: String,
    val by: String,
    val atMs: Long,
    val mute: Mute,
    val reason: String?,
)

/**
 * A page of those who may only read in a group.
 *
 * @property mutes at most 100, by user id.
 * @property next where the next page begins: for [Room.mutedMembers]; null after the last one.
 */
public data class MutePage(
    val mutes: List<MutedUser>,
    val next: String?,
)

/**
 * How far one member of a room is.
 *
 * @property user the user's id.
 * @property delivered everything up to here is known to be on a device of the user.
 * @property read everything up to here is read.
 */
public data class Receipt(
    val user: String,
    val delivered: Long,
    val read: Long,
)

/**
 * How far the other members are with a message, and a page of their receipts.
 *
 * @property deliveredTo those whose devices are known to have it; those who read it among them. In a room of
 *   more than 100 members little more than [readBy].
 * @property readBy those who have read it.
 * @property of how many others there are.
 * @property receipts at most 100, by user id.
 * @property next where the next page begins: for [Room.receipts]; null after the last one.
 */
public data class ReceiptPage(
    val deliveredTo: Long,
    val readBy: Long,
    val of: Long,
    val receipts: List<Receipt>,
    val next: String?,
)

/**
 * How a group looks: all of it, so that what is null it has not any more.
 *
 * @property name the name: at most 256 bytes.
 * @property avatarUrl the picture: at most 1,024 bytes.
 */
public data class RoomUpdate(
    val name: String? = null,
    val avatarUrl: String? = null,
)
