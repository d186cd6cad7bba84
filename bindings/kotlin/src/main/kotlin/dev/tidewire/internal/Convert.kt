package dev.tidewire.internal

import dev.tidewire.AppState
import dev.tidewire.Budget
import dev.tidewire.BudgetReport
import dev.tidewire.ClientEvent
import dev.tidewire.FailReason
import dev.tidewire.Message
import dev.tidewire.MessageState
import dev.tidewire.Mode
import dev.tidewire.ModeReason
import dev.tidewire.ModeStatus
import dev.tidewire.Network
import dev.tidewire.NetworkKind
import dev.tidewire.Older
import dev.tidewire.Presence
import dev.tidewire.Reach
import dev.tidewire.Refreshed
import dev.tidewire.Role
import dev.tidewire.RoomKind
import dev.tidewire.RoomSummary
import dev.tidewire.Settings
import dev.tidewire.Spent
import dev.tidewire.Tier
import dev.tidewire.TimelineBatch
import dev.tidewire.TimelineChange
import dev.tidewire.TimelineRow
import dev.tidewire.TimelineUpdate
import dev.tidewire.UnreadBase
import kotlin.time.Duration
import dev.tidewire.ffi.AppState as FfiAppState
import dev.tidewire.ffi.Budget as FfiBudget
import dev.tidewire.ffi.BudgetReport as FfiBudgetReport
import dev.tidewire.ffi.ClientEvent as FfiClientEvent
import dev.tidewire.ffi.FailReason as FfiFailReason
import dev.tidewire.ffi.Message as FfiMessage
import dev.tidewire.ffi.MessageState as FfiMessageState
import dev.tidewire.ffi.Mode as FfiMode
import dev.tidewire.ffi.ModeBatch as FfiModeBatch
import dev.tidewire.ffi.ModeReason as FfiModeReason
import dev.tidewire.ffi.Network as FfiNetwork
import dev.tidewire.ffi.NetworkKind as FfiNetworkKind
import dev.tidewire.ffi.Older as FfiOlder
import dev.tidewire.ffi.Presence as FfiPresence
import dev.tidewire.ffi.Refreshed as FfiRefreshed
import dev.tidewire.ffi.Role as FfiRole
import dev.tidewire.ffi.RoomKind as FfiRoomKind
import dev.tidewire.ffi.RoomSummary as FfiRoomSummary
import dev.tidewire.ffi.Settings as FfiSettings
import dev.tidewire.ffi.Spent as FfiSpent
import dev.tidewire.ffi.Tier as FfiTier
import dev.tidewire.ffi.TimelineBatch as FfiTimelineBatch
import dev.tidewire.ffi.TimelineChange as FfiTimelineChange
import dev.tidewire.ffi.TimelineRow as FfiTimelineRow
import dev.tidewire.ffi.TimelineUpdate as FfiTimelineUpdate

// The only file, besides Told.kt, that knows both the generated types and those of apps: a change
// of the generator ends here.

internal fun Settings.toFfi(): FfiSettings =
    FfiSettings(
        url = valid("url", url),
        user = valid("user", user),
        dataDir = dataDir?.let { valid("dataDir", it) },
        inBackground = inBackground,
        // What is negative becomes huge, and out of bounds it is either way.
        maxConcurrentRooms = maxConcurrentRooms?.toUInt(),
        messageBufferTimeMs = messageBufferTime?.ms(),
        presenceHeartbeatIntervalMs = presenceHeartbeatInterval?.ms(),
        backgroundHeartbeatIntervalMs = backgroundHeartbeatInterval?.ms(),
        pollingIntervalMs = pollingInterval?.ms(),
        slowPollingIntervalMs = slowPollingInterval?.ms(),
        maxMessagesPerRoom = maxMessagesPerRoom?.toUInt(),
        cacheTtlMs = cacheTtl?.ms(),
        spreadMs = spread?.ms(),
        outboxCapacity = outboxCapacity?.toUInt(),
        budget = budget.toFfi(),
        recordInto = record?.let { valid("record", it.file) },
        recordVerbatim = record?.verbatim ?: false,
    )

// What is negative allows nothing.
internal fun Budget.toFfi(): FfiBudget =
    FfiBudget(
        maxWakeupsPerHour = maxWakeupsPerHour?.coerceAtLeast(0)?.toUInt(),
        maxBytesPerHour = maxBytesPerHour?.coerceAtLeast(0)?.toULong(),
    )

internal fun FfiBudgetReport.toApi(): BudgetReport =
    BudgetReport(
        wakeups = wakeups.toApi(),
        bytes = bytes.toApi(),
        windowMs = windowMs.toLong(),
        nextReadMs = nextReadMs?.toLong(),
        exceeded = exceeded,
    )

private fun FfiSpent.toApi(): Spent = Spent(spent.toLong(), limit?.toLong())

private fun Duration.ms(): ULong = inWholeMilliseconds.toULong()

internal fun AppState.toFfi(): FfiAppState =
    when (this) {
        AppState.FOREGROUND -> FfiAppState.FOREGROUND
        AppState.BACKGROUND -> FfiAppState.BACKGROUND
        AppState.SUSPENDED -> FfiAppState.SUSPENDED
    }

internal fun Network.toFfi(): FfiNetwork =
    FfiNetwork(
        kind =
            when (kind) {
                NetworkKind.NONE -> FfiNetworkKind.NONE
                NetworkKind.CELLULAR_2G -> FfiNetworkKind.CELLULAR2_G
                NetworkKind.CELLULAR -> FfiNetworkKind.CELLULAR
                NetworkKind.WIFI -> FfiNetworkKind.WIFI
                NetworkKind.OTHER -> FfiNetworkKind.OTHER
            },
        metered = metered,
        constrained = constrained,
    )

internal fun Mode.toFfi(): FfiMode =
    when (this) {
        Mode.OFFLINE -> FfiMode.OFFLINE
        Mode.POLLING -> FfiMode.POLLING
        Mode.HYBRID -> FfiMode.HYBRID
        Mode.REAL_TIME -> FfiMode.REAL_TIME
    }

internal fun FfiModeBatch.toApi(): ModeStatus = ModeStatus(mode.toApi(), reason.toApi(), reasonText)

internal fun FfiMode.toApi(): Mode =
    when (this) {
        FfiMode.OFFLINE -> Mode.OFFLINE
        FfiMode.POLLING -> Mode.POLLING
        FfiMode.HYBRID -> Mode.HYBRID
        FfiMode.REAL_TIME -> Mode.REAL_TIME
    }

internal fun FfiModeReason.toApi(): ModeReason =
    when (this) {
        FfiModeReason.Unbound -> ModeReason.Unbound
        FfiModeReason.Starting -> ModeReason.Starting
        is FfiModeReason.Audience -> ModeReason.Audience(online.toLong())
        FfiModeReason.Policy -> ModeReason.Policy
        is FfiModeReason.Network -> ModeReason.Network(kind.toApi())
        FfiModeReason.DataSaver -> ModeReason.DataSaver
        is FfiModeReason.App -> ModeReason.App(state.toApi())
        FfiModeReason.SocketsFail -> ModeReason.SocketsFail
        is FfiModeReason.Latency -> ModeReason.Latency(ms.toLong())
        is FfiModeReason.Breaks -> ModeReason.Breaks(times.toLong())
        FfiModeReason.EventStream -> ModeReason.EventStream
        FfiModeReason.LowPower -> ModeReason.LowPower
        FfiModeReason.Ceiling -> ModeReason.Ceiling
        FfiModeReason.Budget -> ModeReason.Budget
    }

private fun FfiNetworkKind.toApi(): NetworkKind =
    when (this) {
        FfiNetworkKind.NONE -> NetworkKind.NONE
        FfiNetworkKind.CELLULAR2_G -> NetworkKind.CELLULAR_2G
        FfiNetworkKind.CELLULAR -> NetworkKind.CELLULAR
        FfiNetworkKind.WIFI -> NetworkKind.WIFI
        FfiNetworkKind.OTHER -> NetworkKind.OTHER
    }

private fun FfiAppState.toApi(): AppState =
    when (this) {
        FfiAppState.FOREGROUND -> AppState.FOREGROUND
        FfiAppState.BACKGROUND -> AppState.BACKGROUND
        FfiAppState.SUSPENDED -> AppState.SUSPENDED
    }

internal fun FfiClientEvent.toApi(): ClientEvent =
    when (this) {
        FfiClientEvent.RoomsChanged -> ClientEvent.RoomsChanged
        is FfiClientEvent.PresenceChanged ->
            ClientEvent.PresenceChanged(changes.associate { it.user to it.presence.toApi() })
        is FfiClientEvent.TypingChanged -> ClientEvent.TypingChanged(room, users)
        is FfiClientEvent.AuthRequired -> ClientEvent.AuthRequired(reason)
        is FfiClientEvent.WrongUser -> ClientEvent.WrongUser(tokenUser)
        is FfiClientEvent.StoreFailed -> ClientEvent.StoreFailed(reason)
        FfiClientEvent.StoreRecovered -> ClientEvent.StoreRecovered
        is FfiClientEvent.SendFailed -> ClientEvent.SendFailed(room, id, reason.toApi())
    }

internal fun FfiPresence.toApi(): Presence =
    when (this) {
        FfiPresence.Unknown -> Presence.Unknown
        FfiPresence.Online -> Presence.Online
        FfiPresence.Away -> Presence.Away
        is FfiPresence.Offline -> Presence.Offline(lastSeenMs)
    }

internal fun FfiRoomSummary.toApi(): RoomSummary =
    RoomSummary(
        id = id,
        kind =
            when (kind) {
                FfiRoomKind.DIRECT -> RoomKind.DIRECT
                FfiRoomKind.GROUP -> RoomKind.GROUP
            },
        name = name,
        peer = peer,
        createdAtMs = createdAtMs,
        members = members.toLong(),
        role =
            when (role) {
                FfiRole.OWNER -> Role.OWNER
                FfiRole.MEMBER -> Role.MEMBER
            },
        joined = joined,
        headSeq = headSeq.toLong(),
        lastMessage = lastMessage?.toApi(),
        unreadBase =
            unreadBase?.run {
                UnreadBase(unread.toLong(), mentions.toLong(), asOf.toLong(), read.toLong())
            },
        pending = pending.toLong(),
    )

internal fun FfiMessage.toApi(): Message =
    Message(
        id = id,
        room = room,
        sender = sender,
        seq = seq?.toLong(),
        atMs = atMs,
        kind = kind,
        text = text,
        mentions = mentions,
        metadataJson = metadataJson,
        contentJson = contentJson,
        state = state.toApi(),
        reach = reach?.run { Reach(deliveredTo.toLong(), readBy.toLong(), of.toLong()) },
    )

internal fun FfiMessageState.toApi(): MessageState =
    when (this) {
        FfiMessageState.Sending -> MessageState.Sending
        is FfiMessageState.Waiting -> MessageState.Waiting(behind)
        is FfiMessageState.Failed -> MessageState.Failed(reason.toApi())
        FfiMessageState.Sent -> MessageState.Sent
        FfiMessageState.Delivered -> MessageState.Delivered
        FfiMessageState.Read -> MessageState.Read
    }

private fun FfiFailReason.toApi(): FailReason =
    when (this) {
        is FfiFailReason.Refused -> FailReason.Refused(code, text)
        is FfiFailReason.Unknown -> FailReason.Unknown(text)
    }

internal fun FfiTimelineBatch.toApi(): TimelineBatch =
    TimelineBatch(
        number = number.toLong(),
        update =
            when (val update = update) {
                is FfiTimelineUpdate.Reset ->
                    TimelineUpdate.Reset(update.rows.map(FfiTimelineRow::toApi))
                is FfiTimelineUpdate.Diff ->
                    TimelineUpdate.Diff(update.changes.map(FfiTimelineChange::toApi))
            },
        more = more,
    )

private fun FfiTimelineChange.toApi(): TimelineChange =
    when (this) {
        is FfiTimelineChange.Insert -> TimelineChange.Insert(index.toInt(), row.toApi())
        is FfiTimelineChange.Set -> TimelineChange.Set(index.toInt(), row.toApi())
        is FfiTimelineChange.Remove -> TimelineChange.Remove(index.toInt())
    }

private fun FfiTimelineRow.toApi(): TimelineRow =
    when (this) {
        is FfiTimelineRow.Message -> TimelineRow.Message(message.toApi())
        is FfiTimelineRow.Gap -> TimelineRow.Gap(from.toLong(), to.toLong())
    }

internal fun FfiOlder.toApi(): Older =
    Older(
        added = added.toInt(),
        tier =
            when (tier) {
                FfiTier.MEMORY -> Tier.MEMORY
                FfiTier.DISK -> Tier.DISK
                FfiTier.SERVER -> Tier.SERVER
            },
        more = more,
    )

internal fun FfiRefreshed.toApi(): Refreshed =
    Refreshed(complete = complete, newEvents = newEvents.toLong(), pending = pending.toLong())
