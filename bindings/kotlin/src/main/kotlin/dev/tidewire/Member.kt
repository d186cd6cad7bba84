package dev.tidewire

/**
 * A member of a room.
 *
 * @property user the user's id.
 * @property role what the user may do.
 * @property joinedAtMs when the user was added: ms since 1970-01-01 UTC.
 */
public data class Member(
    val user: String,
    val role: Role,
    val joinedAtMs: Long,
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
 * How a group looks: all of it, so that what is null it has not any more.
 *
 * @property name the name: at most 256 bytes.
 * @property avatarUrl the picture: at most 1,024 bytes.
 */
public data class RoomUpdate(
    val name: String? = null,
    val avatarUrl: String? = null,
)
