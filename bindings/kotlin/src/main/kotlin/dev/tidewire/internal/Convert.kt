package dev.tidewire.internal

import dev.tidewire.AppState
import dev.tidewire.Budget
import dev.tidewire.BudgetReport
import dev.tidewire.CacheReport
import dev.tidewire.ClientEvent
import dev.tidewire.Logout
import dev.tidewire.Mode
import dev.tidewire.ModeReason
import dev.tidewire.ModeStatus
import dev.tidewire.Network
import dev.tidewire.NetworkKind
import dev.tidewire.Presence
import dev.tidewire.Refreshed
import dev.tidewire.Repair
import dev.tidewire.Settings
import dev.tidewire.Sizes
import dev.tidewire.Spent
import dev.tidewire.TierReport
import kotlin.time.Duration
import dev.tidewire.ffi.AppState as FfiAppState
import dev.tidewire.ffi.Budget as FfiBudget
import dev.tidewire.ffi.BudgetReport as FfiBudgetReport
import dev.tidewire.ffi.CacheReport as FfiCacheReport
import dev.tidewire.ffi.ClientEvent as FfiClientEvent
import dev.tidewire.ffi.Logout as FfiLogout
import dev.tidewire.ffi.Mode as FfiMode
import dev.tidewire.ffi.ModeBatch as FfiModeBatch
import dev.tidewire.ffi.ModeReason as FfiModeReason
import dev.tidewire.ffi.Network as FfiNetwork
import dev.tidewire.ffi.NetworkKind as FfiNetworkKind
import dev.tidewire.ffi.Presence as FfiPresence
import dev.tidewire.ffi.Refreshed as FfiRefreshed
import dev.tidewire.ffi.Repair as FfiRepair
import dev.tidewire.ffi.Settings as FfiSettings
import dev.tidewire.ffi.Spent as FfiSpent
import dev.tidewire.ffi.TierReport as FfiTierReport

// Only the files `Convert*.kt` and Told.kt know both the generated types and those of apps: a change
// of the generator ends here.

internal fun Settings.toFfi(): FfiSettings =
    FfiSettings(
        url = valid("url", url),
        user = valid("user", user),
        dataDir = dataDir?.let { valid("dataDir", it) },
        acceptLoss = acceptLoss,
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
        cacheBytes = cacheBytes?.coerceAtLeast(0)?.toULong(),
        fileCacheBytes = fileCacheBytes?.coerceAtLeast(0)?.toULong(),
        memoryBytes = memoryBytes?.coerceAtLeast(0)?.toULong(),
        spreadMs = spread?.ms(),
        outboxCapacity = outboxCapacity?.toUInt(),
        budget = budget.toFfi(),
        rootCertificates = rootCertificates?.let { valid("rootCertificates", it) },
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
        is FfiClientEvent.UnreadTotalChanged -> ClientEvent.UnreadTotalChanged(total.toApi())
        is FfiClientEvent.ProfilesChanged -> ClientEvent.ProfilesChanged(users)
        is FfiClientEvent.BlockedChanged -> ClientEvent.BlockedChanged(users)
        is FfiClientEvent.PresenceChanged ->
            ClientEvent.PresenceChanged(changes.associate { it.user to it.presence.toApi() })
        is FfiClientEvent.TypingChanged -> ClientEvent.TypingChanged(room, users)
        is FfiClientEvent.AuthRequired -> ClientEvent.AuthRequired(reason)
        is FfiClientEvent.WrongUser -> ClientEvent.WrongUser(tokenUser)
        is FfiClientEvent.StoreFailed -> ClientEvent.StoreFailed(reason)
        FfiClientEvent.StoreRecovered -> ClientEvent.StoreRecovered
        is FfiClientEvent.Repaired -> ClientEvent.Repaired(repair.toApi())
        is FfiClientEvent.SendFailed -> ClientEvent.SendFailed(room, id, target, reason.toApi())
    }

internal fun FfiPresence.toApi(): Presence =
    when (this) {
        FfiPresence.Unknown -> Presence.Unknown
        FfiPresence.Online -> Presence.Online
        FfiPresence.Away -> Presence.Away
        is FfiPresence.Offline -> Presence.Offline(lastSeenMs)
    }

internal fun FfiRefreshed.toApi(): Refreshed =
    Refreshed(complete = complete, newEvents = newEvents.toLong(), pending = pending.toLong())

internal fun Logout.toFfi(): FfiLogout =
    when (this) {
        Logout.KEEP -> FfiLogout.KEEP
        Logout.DISCARD -> FfiLogout.DISCARD
    }

internal fun FfiCacheReport.toApi(): CacheReport =
    CacheReport(
        memory = memory.toApi(),
        disk = disk.toApi(),
        server = server.toApi(),
        messagesInMemory = messagesInMemory.toLong(),
        files =
            files.run { Sizes(used.toLong(), database.toLong(), log.toLong(), outbox.toLong()) },
        downloads = downloads.toApi(),
        firstByteMs = firstByteMs?.toLong(),
        firstListMs = firstListMs?.toLong(),
        interactiveMs = interactiveMs?.toLong(),
        repair = repair?.toApi(),
    )

private fun FfiTierReport.toApi(): TierReport =
    TierReport(
        asked = asked.toLong(),
        hits = hits.toLong(),
        p50Ms = p50Ms.toLong(),
        p90Ms = p90Ms.toLong(),
        p99Ms = p99Ms.toLong(),
        maxMs = maxMs.toLong(),
        expectedMs = expectedMs.toLong(),
        asExpected = asExpected.toLong(),
        bytes = bytes.toLong(),
    )

private fun FfiRepair.toApi(): Repair = Repair(reason, cache, outbox?.toLong(), complete)
