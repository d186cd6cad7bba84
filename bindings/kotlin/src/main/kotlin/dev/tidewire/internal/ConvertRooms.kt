package dev.tidewire.internal

import dev.tidewire.Ban
import dev.tidewire.BanPage
import dev.tidewire.Member
import dev.tidewire.MemberPage
import dev.tidewire.Mute
import dev.tidewire.MutePage
import dev.tidewire.MutedUser
import dev.tidewire.Receipt
import dev.tidewire.ReceiptPage
import dev.tidewire.Role
import dev.tidewire.RoomFilter
import dev.tidewire.RoomKind
import dev.tidewire.RoomListBatch
import dev.tidewire.RoomListChange
import dev.tidewire.RoomListRow
import dev.tidewire.RoomListUpdate
import dev.tidewire.RoomSettings
import dev.tidewire.RoomSort
import dev.tidewire.RoomSummary
import dev.tidewire.RoomUpdate
import dev.tidewire.Unread
import dev.tidewire.ffi.BanPage as FfiBanPage
import dev.tidewire.ffi.MemberPage as FfiMemberPage
import dev.tidewire.ffi.Mute as FfiMute
import dev.tidewire.ffi.MutePage as FfiMutePage
import dev.tidewire.ffi.ReceiptPage as FfiReceiptPage
import dev.tidewire.ffi.Role as FfiRole
import dev.tidewire.ffi.RoomFilter as FfiRoomFilter
import dev.tidewire.ffi.RoomKind as FfiRoomKind
import dev.tidewire.ffi.RoomListBatch as FfiRoomListBatch
import dev.tidewire.ffi.RoomListChange as FfiRoomListChange
import dev.tidewire.ffi.RoomListQuery as FfiRoomListQuery
import dev.tidewire.ffi.RoomListRow as FfiRoomListRow
import dev.tidewire.ffi.RoomListUpdate as FfiRoomListUpdate
import dev.tidewire.ffi.RoomSettings as FfiRoomSettings
import dev.tidewire.ffi.RoomSort as FfiRoomSort
import dev.tidewire.ffi.RoomSummary as FfiRoomSummary
import dev.tidewire.ffi.RoomUpdate as FfiRoomUpdate
import dev.tidewire.ffi.Unread as FfiUnread
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

// Rooms and lists of them, between the generated types and those of apps.

internal fun FfiRoomSummary.toApi(): RoomSummary =
    RoomSummary(
        id = id,
        kind = kind.toApi(),
        name = name,
        avatarUrl = avatarUrl,
        peer = peer,
        createdAtMs = createdAtMs,
        members = members.toLong(),
        role = role.toApi(),
        mute = mute?.toApi(),
        slowMode = slowModeOf(slowModeMs),
        joined = joined,
        headSeq = headSeq.toLong(),
        lastEvent = lastEvent?.toApi(),
        settings = settings.toApi(),
        unread = unread.toApi(),
        draft = draft,
        pending = pending.toLong(),
    )


private fun FfiRoomKind.toApi(): RoomKind =
    when (this) {
        FfiRoomKind.DIRECT -> RoomKind.DIRECT
        FfiRoomKind.GROUP -> RoomKind.GROUP
    }

private fun RoomKind.toFfi(): FfiRoomKind =
    when (this) {
        RoomKind.DIRECT -> FfiRoomKind.DIRECT
        RoomKind.GROUP -> FfiRoomKind.GROUP
    }

private fun FfiRole.toApi(): Role =
    when (this) {
        FfiRole.OWNER -> Role.OWNER
        FfiRole.MODERATOR -> Role.MODERATOR
        FfiRole.MEMBER -> Role.MEMBER
    }

internal fun Role.toFfi(): FfiRole =
    when (this) {
        Role.OWNER -> FfiRole.OWNER
        Role.MODERATOR -> FfiRole.MODERATOR
        Role.MEMBER -> FfiRole.MEMBER
    }

internal fun FfiUnread.toApi(): Unread = Unread(messages.toLong(), mentions.toLong(), exact)

private fun FfiRoomSettings.toApi(): RoomSettings = RoomSettings(muted, pinned, archived)

internal fun RoomSettings.toFfi(): FfiRoomSettings = FfiRoomSettings(muted, pinned, archived)

internal fun RoomUpdate.toFfi(): FfiRoomUpdate =
    FfiRoomUpdate(
        name = name?.let { valid("name", it) },
        avatarUrl = avatarUrl?.let { valid("avatarUrl", it) },
    )

internal fun FfiMemberPage.toApi(): MemberPage =
    MemberPage(members.map { Member(it.user, it.role.toApi(), it.joinedAtMs, it.mute?.toApi()) }, next)

internal fun FfiBanPage.toApi(): BanPage =
    BanPage(bans.map { Ban(it.user, it.by, it.atMs, it.reason) }, next)

internal fun FfiMutePage.toApi(): MutePage =
    MutePage(mutes.map { MutedUser(it.user, it.by, it.atMs, it.mute.toApi(), it.reason) }, next)

private fun FfiMute.toApi(): Mute = Mute(untilMs)

private fun slowModeOf(ms: UInt): Duration? = ms.toLong().milliseconds.takeIf { it.isPositive() }

internal fun FfiReceiptPage.toApi(): ReceiptPage =
    ReceiptPage(
        deliveredTo = deliveredTo.toLong(),
        readBy = readBy.toLong(),
        of = of.toLong(),
        receipts = receipts.map { Receipt(it.user, it.delivered.toLong(), it.read.toLong()) },
        next = next,
    )

internal fun query(sort: RoomSort, filter: RoomFilter, window: Int?): FfiRoomListQuery =
    FfiRoomListQuery(
        sort =
            when (sort) {
                RoomSort.RECENT -> FfiRoomSort.RECENT
                RoomSort.UNREAD_FIRST -> FfiRoomSort.UNREAD_FIRST
                RoomSort.NAME -> FfiRoomSort.NAME
            },
        filter =
            filter.run {
                FfiRoomFilter(unread, kind?.toFfi(), archived, muted, name?.let { valid("name", it) })
            },
        window = window?.coerceAtLeast(0)?.toUInt(),
    )

internal fun FfiRoomListBatch.toApi(): RoomListBatch =
    RoomListBatch(
        number = number.toLong(),
        update =
            when (val update = update) {
                is FfiRoomListUpdate.Reset -> RoomListUpdate.Reset(update.rows.map { it.toApi() })
                is FfiRoomListUpdate.Diff ->
                    RoomListUpdate.Diff(update.changes.map(FfiRoomListChange::toApi))
            },
        first = first.toInt(),
        total = total.toInt(),
    )

private fun FfiRoomListChange.toApi(): RoomListChange =
    when (this) {
        is FfiRoomListChange.Insert -> RoomListChange.Insert(index.toInt(), row.toApi())
        is FfiRoomListChange.Set -> RoomListChange.Set(index.toInt(), row.toApi())
        is FfiRoomListChange.Remove -> RoomListChange.Remove(index.toInt())
    }

private fun FfiRoomListRow.toApi(): RoomListRow =
    RoomListRow(
        room = room,
        kind = kind.toApi(),
        name = name,
        avatarUrl = avatarUrl,
        peer = peer,
        profile = profile?.toApi(),
        members = members.toLong(),
        role = role.toApi(),
        mute = mute?.toApi(),
        slowMode = slowModeOf(slowModeMs),
        settings = settings.toApi(),
        unread = unread.toApi(),
        lastMessage = lastMessage?.toApi(),
        draft = draft,
        pending = pending.toLong(),
        failed = failed,
        atMs = atMs,
    )
