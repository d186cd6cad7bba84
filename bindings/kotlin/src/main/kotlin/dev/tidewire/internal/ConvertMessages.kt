package dev.tidewire.internal

import dev.tidewire.Changed
import dev.tidewire.FailReason
import dev.tidewire.GapSide
import dev.tidewire.Loaded
import dev.tidewire.Message
import dev.tidewire.MessageState
import dev.tidewire.OnFailure
import dev.tidewire.Quote
import dev.tidewire.Quoted
import dev.tidewire.Reach
import dev.tidewire.Reactions
import dev.tidewire.Replies
import dev.tidewire.Tier
import dev.tidewire.TimelineBatch
import dev.tidewire.TimelineChange
import dev.tidewire.TimelineRow
import dev.tidewire.TimelineStart
import dev.tidewire.TimelineUpdate
import dev.tidewire.ffi.Changed as FfiChanged
import dev.tidewire.ffi.FailReason as FfiFailReason
import dev.tidewire.ffi.GapSide as FfiGapSide
import dev.tidewire.ffi.Loaded as FfiLoaded
import dev.tidewire.ffi.Message as FfiMessage
import dev.tidewire.ffi.MessageState as FfiMessageState
import dev.tidewire.ffi.OnFailure as FfiOnFailure
import dev.tidewire.ffi.OutgoingMessage as FfiOutgoingMessage
import dev.tidewire.ffi.Tier as FfiTier
import dev.tidewire.ffi.TimelineBatch as FfiTimelineBatch
import dev.tidewire.ffi.TimelineChange as FfiTimelineChange
import dev.tidewire.ffi.TimelineRow as FfiTimelineRow
import dev.tidewire.ffi.TimelineStart as FfiTimelineStart
import dev.tidewire.ffi.TimelineUpdate as FfiTimelineUpdate

// Messages and timelines, between the generated types and those of apps.

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
        edited = edited?.toApi(),
        deleted = deleted?.toApi(),
        reactions = reactions.map { Reactions(it.key, it.count.toLong(), it.mine, it.by) },
        replyTo = replyTo?.run { Quote(id, message?.run { Quoted(sender, text, deleted, blocked) }) },
        thread = thread,
        replies = replies?.run { Replies(count.toLong(), lastAtMs) },
        changing = changing,
        blocked = blocked,
        attachments = attachments.map { it.toApi() },
        outgoing = outgoing.map { it.toApi() },
    )

private fun FfiChanged.toApi(): Changed = Changed(seq?.toLong(), atMs)

internal fun outgoing(
    text: String,
    mentions: List<String>,
    metadataJson: String?,
    replyTo: String? = null,
    thread: String? = null,
): FfiOutgoingMessage =
    FfiOutgoingMessage(
        text = valid("text", text),
        mentions = valid("mentions", mentions),
        metadataJson = metadataJson?.let { valid("metadataJson", it) },
        replyTo = replyTo?.let { valid("replyTo", it) },
        thread = thread?.let { valid("thread", it) },
    )

internal fun OnFailure.toFfi(): FfiOnFailure =
    when (this) {
        OnFailure.HOLD -> FfiOnFailure.HOLD
        OnFailure.SKIP -> FfiOnFailure.SKIP
    }

internal fun FfiMessageState.toApi(): MessageState =
    when (this) {
        FfiMessageState.Sending -> MessageState.Sending
        is FfiMessageState.Waiting -> MessageState.Waiting(behind)
        is FfiMessageState.Failed -> MessageState.Failed(reason.toApi())
        FfiMessageState.Sent -> MessageState.Sent
        FfiMessageState.Delivered -> MessageState.Delivered
        FfiMessageState.Read -> MessageState.Read
    }

internal fun FfiFailReason.toApi(): FailReason =
    when (this) {
        is FfiFailReason.Refused -> FailReason.Refused(code, text)
        is FfiFailReason.Muted -> FailReason.Muted(untilMs, text)
        is FfiFailReason.Unknown -> FailReason.Unknown(text)
        is FfiFailReason.Expired -> FailReason.Expired(text)
        is FfiFailReason.CopyLost -> FailReason.CopyLost(text)
    }


internal fun FfiTimelineBatch.toApi(): TimelineBatch =
    TimelineBatch(
        number = number.toLong(),
        update =
            when (val update = update) {
                is FfiTimelineUpdate.Reset ->
                    TimelineUpdate.Reset(
                        update.rows.map(FfiTimelineRow::toApi),
                        update.unreadFrom?.toLong(),
                    )
                is FfiTimelineUpdate.Diff ->
                    TimelineUpdate.Diff(update.changes.map(FfiTimelineChange::toApi))
            },
        moreBefore = moreBefore,
        moreAfter = moreAfter,
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

internal fun FfiLoaded.toApi(): Loaded =
    Loaded(
        added = added.toInt(),
        tier =
            when (tier) {
                FfiTier.MEMORY -> Tier.MEMORY
                FfiTier.DISK -> Tier.DISK
                FfiTier.SERVER -> Tier.SERVER
            },
        more = more,
    )

internal fun GapSide.toFfi(): FfiGapSide =
    when (this) {
        GapSide.OLDER -> FfiGapSide.OLDER
        GapSide.NEWER -> FfiGapSide.NEWER
    }

internal fun TimelineStart.toFfi(): FfiTimelineStart =
    when (this) {
        TimelineStart.Newest -> FfiTimelineStart.Newest
        TimelineStart.FirstUnread -> FfiTimelineStart.FirstUnread
        is TimelineStart.Message -> FfiTimelineStart.Message(valid("start", id))
        is TimelineStart.Seq -> FfiTimelineStart.Seq(seq.coerceAtLeast(0).toULong())
    }
