package dev.tidewire

import kotlin.time.Duration

/**
 * A room of the user's. For a list on the screen there is [RoomList].
 *
 * @property id its id.
 * @property kind direct or group.
 * @property name the name, for groups that have one.
 * @property avatarUrl the picture, for groups that have one.
 * @property peer in a direct room, the id of the other one.
 * @property createdAtMs when it was created: ms since 1970-01-01 UTC.
 * @property members how many members it has.
 * @property role what the user may do in it.
 * @property mute if the user may only read.
 * @property slowMode how long a member waits from one message to the next, unless the role keeps order; null for no
 *   time.
 * @property joined whether the user still is a member.
 * @property headSeq the place of the newest event known; 0 if there is none.
 * @property lastEvent that event, if it is here.
 * @property settings what the user has set for it, whether or not the server knows of it yet.
 * @property unread what the user has not read.
 * @property draft what the user has begun to write.
 * @property pending how many operations of this room wait in the outbox.
 */
public data class RoomSummary(
    val id: String,
    val kind: RoomKind,
    val name: String?,
    val avatarUrl: String?,
    val peer: String?,
    val createdAtMs: Long,
    val members: Long,
    val role: Role,
    val mute: Mute?,
    val slowMode: Duration?,
    val joined: Boolean,
    val headSeq: Long,
    val lastEvent: Message?,
    val settings: RoomSettings,
    val unread: Unread,
    val draft: String?,
    val pending: Long,
)

/**
 * That somebody may only read in a room.
 *
 * @property untilMs until when: ms since 1970-01-01 UTC by the server's clock, then it is over without a word; null
 *   where only somebody who keeps order ends it.
 */
public data class Mute(
    val untilMs: Long?,
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
    /** May do everything in a group: what a moderator may, to anybody, give roles, and change how it looks. */
    OWNER,

    /**
     * Keeps order in a group: adds members, mutes, sends away and bans those who are neither owner nor
     * moderator, deletes anybody's messages, and says how often members may write.
     */
    MODERATOR,

    /** May read and write, and leave. Roles that this version does not know may at least that. */
    MEMBER,
}

/**
 * How much is unread.
 *
 * @property messages messages of others, in threads too. Of one room at most 1,000, which then means
 *   that many or more.
 * @property mentions those of them that mention the user; at most 1,000 of one room.
 * @property exact whether this is the number. If not, there are at least so many: the user has read
 *   up to somewhere within what is not here, and the server is asked as soon as it can be reached.
 */
public data class Unread(
    val messages: Long,
    val mentions: Long,
    val exact: Boolean,
)

/**
 * What a user has set for a room, for all of the user's devices. Nobody else learns of it.
 *
 * @property muted the room's messages do not count for [TidewireClient.unreadTotal], mentions do.
 * @property pinned it stands above all rooms that are not.
 * @property archived it is in no list that does not ask for it, and does not count for
 *   [TidewireClient.unreadTotal].
 */
public data class RoomSettings(
    val muted: Boolean = false,
    val pinned: Boolean = false,
    val archived: Boolean = false,
)
