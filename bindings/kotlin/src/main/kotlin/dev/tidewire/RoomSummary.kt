package dev.tidewire

/**
 * A room of the list.
 *
 * @property id its id.
 * @property kind direct or group.
 * @property name the name, for groups that have one.
 * @property peer in a direct room, the id of the other one.
 * @property createdAtMs when it was created: ms since 1970-01-01 UTC.
 * @property members how many members it has.
 * @property role what the user may do in it.
 * @property joined whether the user still is a member.
 * @property headSeq the place of the newest event known; 0 if there is none.
 * @property lastMessage that event, if it is here.
 * @property unreadBase what the user has not read, as last told by the server.
 * @property pending how many messages of this room wait in the outbox.
 */
public data class RoomSummary(
    val id: String,
    val kind: RoomKind,
    val name: String?,
    val peer: String?,
    val createdAtMs: Long,
    val members: Long,
    val role: Role,
    val joined: Boolean,
    val headSeq: Long,
    val lastMessage: Message?,
    val unreadBase: UnreadBase?,
    val pending: Long,
)

/** What a room is for. */
public enum class RoomKind {
    /** Two people. */
    DIRECT,

    /** Any number of people. Kinds that this version does not know are shown so too. */
    GROUP,
}

/** What a member may do. */
public enum class Role {
    /** May add and remove members. */
    OWNER,

    /** May read and write, and leave. Roles that this version does not know may at least that. */
    MEMBER,
}

/**
 * How much of a room its user has not read, as counted by the server.
 *
 * @property unread messages of others; 1,000 means that many or more.
 * @property mentions those of them that mention the user.
 * @property asOf the seq up to which is counted.
 * @property read everything up to this seq is read.
 */
public data class UnreadBase(
    val unread: Long,
    val mentions: Long,
    val asOf: Long,
    val read: Long,
)
