package dev.tidewire.internal

import dev.tidewire.Fact
import dev.tidewire.Lift
import dev.tidewire.SocketStage
import dev.tidewire.StoreStage
import dev.tidewire.TokenStage
import dev.tidewire.Vehicle
import dev.tidewire.Way
import dev.tidewire.Why
import dev.tidewire.ffi.Fact as FfiFact
import dev.tidewire.ffi.Lift as FfiLift
import dev.tidewire.ffi.SocketStage as FfiSocketStage
import dev.tidewire.ffi.StoreStage as FfiStoreStage
import dev.tidewire.ffi.TokenStage as FfiTokenStage
import dev.tidewire.ffi.Vehicle as FfiVehicle
import dev.tidewire.ffi.Way as FfiWay
import dev.tidewire.ffi.Why as FfiWhy

// Beside Convert.kt, because there are many facts.

internal fun FfiWhy.toApi(): Why = Why(facts.map(FfiFact::toApi), sentence)

private fun FfiFact.toApi(): Fact =
    when (this) {
        is FfiFact.Mode -> Fact.Mode(mode.toApi(), reason.toApi())
        is FfiFact.Message -> Fact.Message(state.toApi())
        is FfiFact.Room -> Fact.Room(complete, fresh)
        is FfiFact.Ceiling ->
            Fact.Ceiling(signal.toApi(), allows.toApi(), binds, forMs.toLong(), liftedBy.toApi())
        is FfiFact.Spread -> Fact.Spread(towards.toApi(), inMs.toLong())
        is FfiFact.Dwell -> Fact.Dwell(inMs.toLong())
        is FfiFact.Grace -> Fact.Grace(inMs.toLong())
        FfiFact.Suspended -> Fact.Suspended
        is FfiFact.Token -> Fact.Token(stage.toApi(), retryInMs?.toLong())
        is FfiFact.Store -> Fact.Store(stage.toApi(), retryInMs?.toLong())
        FfiFact.NoPosition -> Fact.NoPosition
        is FfiFact.Socket -> Fact.Socket(stage.toApi(), pushes)
        is FfiFact.Slot -> Fact.Slot(way.toApi(), inMs.toLong())
        is FfiFact.Backoff -> Fact.Backoff(way.toApi(), failures.toLong(), inMs.toLong())
        is FfiFact.HeldBack -> Fact.HeldBack(inMs?.toLong())
        is FfiFact.Queue -> Fact.Queue(position.toLong(), ahead)
        FfiFact.Writing -> Fact.Writing
        is FfiFact.WaitsFor -> Fact.WaitsFor(id)
        is FfiFact.InFlight -> Fact.InFlight(vehicle.toApi(), forMs.toLong())
        is FfiFact.BehindFlight -> Fact.BehindFlight(forMs.toLong())
        is FfiFact.Queued -> Fact.Queued(msAgo.toLong())
        is FfiFact.FirstSent -> Fact.FirstSent(msAgo.toLong())
        is FfiFact.Refused -> Fact.Refused(code, message)
        FfiFact.TooOld -> Fact.TooOld
        FfiFact.Expired -> Fact.Expired
        is FfiFact.Expires -> Fact.Expires(inMs.toLong())
        is FfiFact.InLog -> Fact.InLog(seq.toLong())
        is FfiFact.FromOther -> Fact.FromOther(sender)
        is FfiFact.Receipts -> Fact.Receipts(delivered.toLong(), read.toLong(), of.toLong())
        FfiFact.Alone -> Fact.Alone
        is FfiFact.AboveReceiptMembers -> Fact.AboveReceiptMembers(members.toLong(), limit.toLong())
        FfiFact.ReceiptsAwaited -> Fact.ReceiptsAwaited
        FfiFact.NotJoined -> Fact.NotJoined
        FfiFact.NotOpen -> Fact.NotOpen
        is FfiFact.Gap -> Fact.Gap(from.toLong(), to.toLong())
        is FfiFact.Stale -> Fact.Stale(from.toLong(), to.toLong())
        is FfiFact.Behind -> Fact.Behind(feedSeq.toLong(), headSeq.toLong())
        FfiFact.CatchingUp -> Fact.CatchingUp
        FfiFact.Fetching -> Fact.Fetching
        FfiFact.Pushed -> Fact.Pushed
        FfiFact.Live -> Fact.Live
        is FfiFact.LastRead -> Fact.LastRead(msAgo?.toLong())
        FfiFact.Reading -> Fact.Reading
        is FfiFact.NextRead -> Fact.NextRead(inMs.toLong())
    }

private fun FfiLift.toApi(): Lift =
    when (this) {
        FfiLift.Nothing -> Lift.Nothing
        FfiLift.OtherNetwork -> Lift.OtherNetwork
        FfiLift.Foreground -> Lift.Foreground
        FfiLift.App -> Lift.App
        FfiLift.DataSaverOff -> Lift.DataSaverOff
        FfiLift.PowerSavingOff -> Lift.PowerSavingOff
        is FfiLift.Budget -> Lift.Budget(inMs?.toLong())
        is FfiLift.Socket -> Lift.Socket(inMs.toLong())
        is FfiLift.Step -> Lift.Step(inMs.toLong())
        FfiLift.FirstAnswer -> Lift.FirstAnswer
        is FfiLift.Audience -> Lift.Audience(atMost.toLong())
        is FfiLift.Policy -> Lift.Policy(inMs.toLong())
    }

private fun FfiTokenStage.toApi(): TokenStage =
    when (this) {
        FfiTokenStage.MISSING -> TokenStage.MISSING
        FfiTokenStage.ASKED -> TokenStage.ASKED
        FfiTokenStage.FAILED -> TokenStage.FAILED
    }

private fun FfiStoreStage.toApi(): StoreStage =
    when (this) {
        FfiStoreStage.LOADING -> StoreStage.LOADING
        FfiStoreStage.FAILED -> StoreStage.FAILED
    }

private fun FfiSocketStage.toApi(): SocketStage =
    when (this) {
        FfiSocketStage.OPENING -> SocketStage.OPENING
        FfiSocketStage.GREETING -> SocketStage.GREETING
        FfiSocketStage.OPEN -> SocketStage.OPEN
    }

private fun FfiWay.toApi(): Way =
    when (this) {
        FfiWay.REQUESTS -> Way.REQUESTS
        FfiWay.SOCKETS -> Way.SOCKETS
        FfiWay.SENDS -> Way.SENDS
        FfiWay.HISTORY -> Way.HISTORY
    }

private fun FfiVehicle.toApi(): Vehicle =
    when (this) {
        FfiVehicle.SOCKET -> Vehicle.SOCKET
        FfiVehicle.POLL -> Vehicle.POLL
        FfiVehicle.REQUEST -> Vehicle.REQUEST
    }
