package dev.tidewire

import dev.tidewire.ffi.SendOptions
import dev.tidewire.internal.outgoing
import dev.tidewire.internal.toApi
import dev.tidewire.internal.toFfi
import dev.tidewire.internal.valid
import kotlinx.coroutines.flow.Flow
import kotlin.time.Duration

/**
 * A room: a light handle, which needs no closing. Whether there is such a room is checked by each
 * call.
 *
 * @property id the room's id.
 */
public class Room internal constructor(
    private val client: TidewireClient,
    public val id: String,
) {
    /**
     * Sends a message and gives its id, once it is on disk and open timelines show it as
     * [MessageState.Sending]. From there on it arrives exactly once, whatever happens to the
     * network or the app. Goes on if the caller is cancelled. Waits for the disk, never for the
     * network.
     *
     * @param text at most 8 KiB of UTF-8, and not empty.
     * @param mentions the ids of those whom it mentions, at most 50.
     * @param metadataJson anything the app wants to carry: at most 4 KiB of JSON.
     * @throws TidewireException.InvalidText if one of these is no valid Unicode.
     * @throws TidewireException `InvalidId`, `InvalidMessage`, `UnknownRoom`, `NotAMember`,
     *   `OutboxFull`, `Closed`, those of the store.
     */
    public suspend fun send(
        text: String,
        mentions: List<String> = emptyList(),
        metadataJson: String? = null,
    ): String {
        val message = outgoing(text, mentions, metadataJson)
        return client.decide { it.send(id, message) }
    }

    /**
     * Sends a message with options. As [send].
     *
     * @param onFailure what a failure means for those behind it.
     * @param expiresAfterMs what has not been sent after so many ms fails as [FailReason.Expired];
     *   without it there is no such time.
     * @throws TidewireException as for [send].
     */
    public suspend fun sendWith(
        text: String,
        onFailure: OnFailure = OnFailure.HOLD,
        expiresAfterMs: Long? = null,
        mentions: List<String> = emptyList(),
        metadataJson: String? = null,
    ): String {
        val message = outgoing(text, mentions, metadataJson)
        val time = expiresAfterMs?.coerceAtLeast(0)?.toULong()
        val options = SendOptions(onFailure.toFfi(), time)
        return client.decide { it.sendWith(id, message, options) }
    }

    /**
     * Sends a message with files, at most 10; its text may be empty. They are copied first. By the return copies
     * and message are on disk, and open timelines show it with [Message.outgoing]: how far each upload is. From
     * there on it arrives exactly once, also after a restart; after a cut only the part that was on its way goes
     * up again. Goes on if the caller is cancelled. Waits for the disk, never for the network.
     *
     * @param ordered whether what is sent after it waits for its files, instead of overtaking it.
     * @param onFailure what a failure means for those behind it.
     * @param expiresAfterMs what has not been sent after so many ms fails as [FailReason.Expired].
     * @throws TidewireException `FileMissing`, `FileUnusable`, `UploadTooLarge`, and `DiskFull` where there is no
     *   room for the copies: nothing is kept then. Else as for [send].
     */
    public suspend fun sendFiles(
        files: List<NewFile>,
        text: String = "",
        ordered: Boolean = false,
        onFailure: OnFailure = OnFailure.HOLD,
        expiresAfterMs: Long? = null,
        mentions: List<String> = emptyList(),
        metadataJson: String? = null,
    ): String {
        val message = outgoing(text, mentions, metadataJson)
        val time = expiresAfterMs?.coerceAtLeast(0)?.toULong()
        val options = SendOptions(onFailure.toFfi(), time, ordered)
        val named = files.map { it.toFfi() }
        return client.decide { it.sendFiles(id, message, named, options) }
    }

    /**
     * Sends a message that quotes the message [to] of this room. As [send]; readers see what is quoted
     * as it is when they look: [Message.replyTo].
     *
     * @throws TidewireException as for [send].
     */
    public suspend fun reply(
        to: String,
        text: String,
        mentions: List<String> = emptyList(),
        metadataJson: String? = null,
    ): String {
        val message = outgoing(text, mentions, metadataJson, replyTo = to)
        return client.decide { it.send(id, message) }
    }

    /**
     * Sends a message into the thread of the message [root] of this room, which must not stand in a
     * thread itself. As [send]; it makes no row in the room's own timeline, but is counted in
     * [Message.replies] of [root].
     *
     * @param replyTo the id of a message that it quotes.
     * @throws TidewireException as for [send].
     */
    public suspend fun sendInThread(
        root: String,
        text: String,
        mentions: List<String> = emptyList(),
        metadataJson: String? = null,
        replyTo: String? = null,
    ): String {
        val message = outgoing(text, mentions, metadataJson, replyTo, thread = root)
        return client.decide { it.send(id, message) }
    }

    /**
     * Sends an event of the app's own [kind]: the server carries it without looking into it, and
     * timelines show it with its [Message.kind] and [Message.contentJson]. As [send].
     *
     * @param kind 1 to 64 bytes, not one that starts with `room.` or `member.`.
     * @param contentJson its content: at most 32 KiB of JSON.
     * @throws TidewireException as for [send]; `InvalidMessage` also for what is no JSON, and for such
     *   a kind.
     */
    public suspend fun sendAs(kind: String, contentJson: String): String {
        valid("kind", kind)
        valid("contentJson", contentJson)
        return client.decide { it.sendAs(id, kind, contentJson) }
    }

    /**
     * Has the user's message [message] say something else. Shows at once; on disk when this returns,
     * from there on it arrives exactly once. A message that was never sent is changed where it waits.
     * What it quotes and its thread stay what they were. If the server refuses the edit, the message
     * is again what it was, and [ClientEvent.SendFailed] says so. Goes on if the caller is cancelled.
     * Waits for the disk, never for the network.
     *
     * @throws TidewireException `NotYours` and `MessageDeleted`, where the message is on this device,
     *   else the server judges; `UnknownMessage` for what is no message; else as for [send].
     */
    public suspend fun edit(
        message: String,
        text: String,
        mentions: List<String> = emptyList(),
        metadataJson: String? = null,
    ) {
        valid("message", message)
        val content = outgoing(text, mentions, metadataJson)
        client.decide { it.edit(id, message, content) }
    }

    /**
     * Deletes the message [message]: the user's own, or in a group that the user owns anybody's. One
     * that was never sent is discarded. Else as [edit].
     *
     * @throws TidewireException as for [edit].
     */
    public suspend fun delete(message: String) {
        valid("message", message)
        client.decide { it.delete(id, message) }
    }

    /**
     * Puts the mark [key] on the message [message], as a rule an emoji: 1 to 64 bytes. Nothing changes
     * if the user has it there already. Else as [edit].
     *
     * @throws TidewireException as for [edit], but for `NotYours`.
     */
    public suspend fun react(message: String, key: String) {
        valid("message", message)
        valid("key", key)
        client.decide { it.react(id, message, key) }
    }

    /**
     * Takes the user's mark [key] away again. As [react].
     *
     * @throws TidewireException as for [react].
     */
    public suspend fun unreact(message: String, key: String) {
        valid("message", message)
        valid("key", key)
        client.decide { it.unreact(id, message, key) }
    }

    /**
     * Marks the room as read up to [seq], also for the user's other devices. Never goes back;
     * survives a restart, and reaches the server when there is a network. Goes on if the caller is
     * cancelled. Waits for the disk, never for the network.
     *
     * @param seq the place of a message in the room, from 1 on.
     * @throws TidewireException `InvalidId`, `UnknownRoom`, `NotAMember`, `Suspended`, `Closed`,
     *   those of the store.
     */
    public suspend fun markRead(seq: Long): Unit =
        client.decide { it.markRead(id, seq.coerceAtLeast(0).toULong()) }

    /**
     * The user types in this room: call it for each keystroke, and leave the rest to the client. The
     * others hear of it when it begins, and that it is over after 3 s without a call or with the
     * message. Returns at once and never fails: where nobody is to hear of it (offline, after the
     * close, a room that the user is not in or that has too many members), nothing happens.
     */
    public fun typing(): Unit = client.typing(id)

    /**
     * The ids of those who type in this room, the user excepted: at first as it is, then each newer
     * state. Nobody in a room that is not watched or has too many members. From memory. Ends when
     * the client is closed. Fails with [TidewireException] `InvalidId`, and with `Closed` if it was
     * closed before.
     */
    public val typists: Flow<List<String>> get() = client.typists(id)

    /**
     * Takes the user's message [message] back, however far it is. One that was never sent is gone, as
     * if it had never been written. One that may have arrived is deleted. Goes on if the caller is
     * cancelled. Waits for the disk, never for the network.
     *
     * @throws TidewireException `UnknownMessage` for what is no message and may have been sent; else
     *   as for [delete].
     */
    public suspend fun cancel(message: String) {
        valid("message", message)
        client.decide { it.cancel(id, message) }
    }

    /**
     * Queues the failed message [message] again, with all the time there is. Goes on if the caller is
     * cancelled. Waits for the disk.
     *
     * @throws TidewireException `InvalidText`, `InvalidId`, `UnknownMessage`, `Closed`, those of
     *   the store.
     */
    public suspend fun retry(message: String) {
        valid("message", message)
        client.decide { it.retry(id, message) }
    }

    /**
     * Takes the failed message [message] out of the outbox, and what was to change it: those behind
     * it go on. Goes on if the caller is cancelled. Waits for the disk.
     *
     * @throws TidewireException as for [retry].
     */
    public suspend fun discard(message: String) {
        valid("message", message)
        client.decide { it.discard(id, message) }
    }

    /**
     * Keeps what the user has begun to write here, at most 32 KiB; null or an empty text forgets it.
     * It is on disk when this returns, survives everything but the account's end, stays on this device
     * and shows in lists of rooms. Sending does not clear it. Goes on if the caller is cancelled.
     * Waits for the disk.
     *
     * @throws TidewireException `InvalidMessage` if it is too long; `InvalidText`, `InvalidId`,
     *   `UnknownRoom`, `Suspended`, `Closed`, those of the store.
     */
    public suspend fun setDraft(text: String?) {
        text?.let { valid("text", it) }
        client.decide { it.setDraft(id, text) }
    }

    /**
     * What the user has begun to write here: from memory.
     *
     * @throws TidewireException `InvalidId`, `Closed`, those of the store.
     */
    public suspend fun draft(): String? = client.read { it.draft(id) }

    /**
     * Sets what holds for this room on all of the user's devices. It is on disk and shows when this
     * returns; the server is told as soon as there is a network. Of several wishes the newest counts,
     * also against what another device has set before the server hears of it. Goes on if the caller is
     * cancelled. Waits for the disk.
     *
     * @throws TidewireException `InvalidId`, `UnknownRoom`, `NotAMember`, `Suspended`, `Closed`, those
     *   of the store.
     */
    public suspend fun setSettings(settings: RoomSettings): Unit =
        client.decide { it.setRoomSettings(id, settings.toFfi()) }

    /**
     * Mutes the room, or ends that: its messages do not count for [TidewireClient.unreadTotal] any
     * more, mentions do. As [setSettings], and what else is set stays.
     *
     * @throws TidewireException as for [setSettings].
     */
    public suspend fun mute(muted: Boolean = true): Unit = client.decide { it.mute(id, muted) }

    /**
     * Pins the room above all that are not, or ends that. As [mute].
     *
     * @throws TidewireException as for [setSettings].
     */
    public suspend fun pin(pinned: Boolean = true): Unit = client.decide { it.pin(id, pinned) }

    /**
     * Puts the room away, or brings it back: archived ones are in no list that does not ask for them,
     * and do not count for [TidewireClient.unreadTotal]. As [mute].
     *
     * @throws TidewireException as for [setSettings].
     */
    public suspend fun archive(archived: Boolean = true): Unit =
        client.decide { it.archive(id, archived) }

    /**
     * A page of at most 100 members, by user id. Waits for the network.
     *
     * @param after the [MemberPage.next] of the page before it; null for the first one.
     * @throws TidewireException `InvalidText`, `InvalidId`, `Offline`, `Network`, `AuthRequired`,
     *   `Refused`, `Closed`.
     */
    public suspend fun members(after: String? = null): MemberPage {
        after?.let { valid("after", it) }
        return client.read { it.members(id, after, null).toApi() }
    }

    /**
     * How far the other members are with a message, in a room of any size: how many have it and have read it,
     * and a page of at most 100 receipts by user id. As of now: nothing more is told of it. In rooms of up to 100
     * members [Message.reach] says the same without asking. Waits for the network.
     *
     * @param seq the message's place in the room, from 1 on.
     * @param after the [ReceiptPage.next] of the page before it; null for the first one.
     * @throws TidewireException as for [members].
     */
    public suspend fun receipts(seq: Long, after: String? = null): ReceiptPage {
        after?.let { valid("after", it) }
        return client.read { it.receipts(id, seq.coerceAtLeast(0).toULong(), after, null).toApi() }
    }

    /**
     * Invites: adds these [users], by their ids, at most 100 at once; none of them if one is banned. Owners
     * and moderators of groups may. Goes on if the caller is cancelled. Waits for the network.
     *
     * @throws TidewireException as for [members], and those of the store.
     */
    public suspend fun addMembers(users: List<String>) {
        val asked = valid("users", users)
        client.decide { it.addMembers(id, asked) }
    }

    /**
     * Removes the member [user], who may be added again. Owners and moderators may, but no moderator removes
     * an owner or a moderator. Else as [addMembers].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun removeMember(user: String) {
        valid("user", user)
        client.decide { it.removeMember(id, user) }
    }

    /**
     * Sends [user] away, who need not be in the room, and keeps him out until [unban]: whoever adds him hears
     * `Refused` with the code `banned`. The [reason], 1 byte to 1 KiB, is for those who keep order alone. Owners
     * and moderators may, but no moderator bans an owner or a moderator. Else as [addMembers].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun ban(user: String, reason: String? = null) {
        valid("user", user)
        val why = reason?.let { valid("reason", it) }
        client.decide { it.ban(id, user, why) }
    }

    /**
     * Keeps [user] out no more: he may be added again. Owners and moderators may. Else as [addMembers].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun unban(user: String) {
        valid("user", user)
        client.decide { it.unban(id, user) }
    }

    /**
     * A page of at most 100 of those who are kept out, by user id. Owners and moderators may. Waits for the
     * network.
     *
     * @param after the [BanPage.next] of the page before it; null for the first one.
     * @throws TidewireException as for [members].
     */
    public suspend fun bans(after: String? = null): BanPage {
        after?.let { valid("after", it) }
        return client.read { it.bans(id, after, null).toApi() }
    }

    /**
     * Lets the member [user] only read, for a [time] of at most 366 days or, without one, until [unmuteMember]: what
     * he sends fails as [FailReason.Muted]. Whatever was said last holds. The [reason], 1 byte to 1 KiB, is for those
     * who keep order alone. Owners and moderators may, but no moderator mutes an owner or a moderator. Else as
     * [addMembers]. To have no notifications of the room is [mute].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun muteMember(user: String, time: Duration? = null, reason: String? = null) {
        valid("user", user)
        val why = reason?.let { valid("reason", it) }
        val ms = time?.inWholeMilliseconds?.coerceAtLeast(0)?.toULong()
        client.decide { it.muteMember(id, user, ms, why) }
    }

    /**
     * Lets the member [user] write again. Who may mute may. Else as [addMembers].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun unmuteMember(user: String) {
        valid("user", user)
        client.decide { it.unmuteMember(id, user) }
    }

    /**
     * A page of at most 100 of those who may only read, by user id. Owners and moderators may. Waits for the
     * network.
     *
     * @param after the [MutePage.next] of the page before it; null for the first one.
     * @throws TidewireException as for [members].
     */
    public suspend fun mutedMembers(after: String? = null): MutePage {
        after?.let { valid("after", it) }
        return client.read { it.mutedMembers(id, after, null).toApi() }
    }

    /**
     * Says how long a member waits from one message in the room to the next, 6 hours at most; null ends slow mode.
     * What is sent earlier waits in the outbox of that room, in order, and does not fail; edits, deletions and
     * reactions do not count. Owners and moderators may, and do not wait. Else as [addMembers].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun setSlowMode(interval: Duration?) {
        val ms = interval?.inWholeMilliseconds?.coerceAtLeast(0)?.toULong()
        client.decide { it.setSlowMode(id, ms) }
    }

    /**
     * Leaves the room. Else as [addMembers].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun leave(): Unit = client.decide { it.leave(id) }

    /**
     * Gives the member [user] of a group another role. Only owners may, and the last owner stays one.
     * Else as [addMembers].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun setRole(user: String, role: Role) {
        valid("user", user)
        client.decide { it.setRole(id, user, role.toFfi()) }
    }

    /**
     * Changes how a group looks, all of it. Only owners may. Else as [addMembers].
     *
     * @throws TidewireException as for [addMembers].
     */
    public suspend fun update(update: RoomUpdate) {
        val looks = update.toFfi()
        client.decide { it.updateRoom(id, looks) }
    }

    /**
     * Why what is shown of this room is or is not all, and new: what is missing, and what it waits
     * for. From memory, also while the app is suspended.
     *
     * @throws TidewireException `InvalidId`, `UnknownRoom`, `Closed`, those of the store.
     */
    public suspend fun why(): Why = client.read { it.whyRoom(id).toApi() }

    /**
     * Why the message [message] is in the state that it is in. From memory if it is in the outbox
     * or in an open timeline, also while the app is suspended; else waits for the disk.
     *
     * @throws TidewireException `InvalidText`, `InvalidId`, `UnknownMessage`, `Suspended`,
     *   `Closed`, those of the store.
     */
    public suspend fun why(message: String): Why {
        valid("message", message)
        return client.read { it.whyMessage(id, message).toApi() }
    }

    /**
     * Opens a timeline, at the newest messages unless told; close it when nobody looks any more. From
     * memory or disk if what is there is held; else waits for the network. Timelines at the newest share
     * what they show; any other is at a place of its own. Cancelling it is safe.
     *
     * @throws TidewireException `InvalidText`, `InvalidId`, `UnknownRoom`; `UnknownMessage` if the room
     *   has no such message; `Offline` or `Network` if what is there is not on this device; `Refused`,
     *   `Closed`, those of the store.
     */
    public suspend fun timeline(start: TimelineStart = TimelineStart.Newest): Timeline {
        val place = start.toFfi()
        return client.timeline(id) { core, token -> core.openTimeline(id, place, token) }
    }

    /**
     * Opens a timeline of the message [root] and what stands in its thread: the message first, then the
     * newest page of the replies. It follows the newest replies as a room's timeline does. From memory
     * or disk as far as they are there; what is missing is fetched and comes as an update.
     *
     * @throws TidewireException as for [timeline].
     */
    public suspend fun thread(root: String): Timeline {
        valid("root", root)
        return client.timeline(id) { core, token -> core.openThread(id, root, token) }
    }

    /**
     * Tells those who keep order in the room, and whoever runs the server, of the [message] with this id. The server keeps
     * a copy of it as it is now: whatever is edited or deleted later changes nothing of the report. The [note], 1 byte
     * to 1 KiB, is for them alone; who is reported hears nothing. The same report again is the same one, so that after
     * `Network` it may be made again. Goes on if the caller is cancelled. Waits for the network.
     *
     * @throws TidewireException `InvalidText`, `InvalidId`, `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`.
     */
    public suspend fun report(message: String, reason: ReportReason, note: String? = null) {
        valid("message", message)
        note?.let { valid("note", it) }
        client.decide { it.report(id, message, reason.toFfi(), note) }
    }

    /**
     * The same of the [user] with this id, who is in the room, without a message.
     *
     * @throws TidewireException as for [report].
     */
    public suspend fun reportUser(user: String, reason: ReportReason, note: String? = null) {
        valid("user", user)
        note?.let { valid("note", it) }
        client.decide { it.reportUser(id, user, reason.toFfi(), note) }
    }

    /**
     * A page of at most 50 reports of the room, the oldest first: those that are open or, with [all], all. Owners and
     * moderators of groups may; who has reported is named. Waits for the network.
     *
     * @param after the [ReportPage.next] of the page before it; null for the first one.
     * @throws TidewireException as for [members].
     */
    public suspend fun reports(after: String? = null, all: Boolean = false): ReportPage {
        after?.let { valid("after", it) }
        return client.read { it.reports(id, after, all, null).toApi() }
    }

    /**
     * Says that the [report] with this id is done with, and gives it as it is now; who has said so first stays. Who may
     * see it may. Goes on if the caller is cancelled. Waits for the network.
     *
     * @throws TidewireException as for [report].
     */
    public suspend fun resolveReport(report: String): Report {
        valid("report", report)
        return client.decide { it.resolveReport(id, report) }.toApi()
    }

    override fun equals(other: Any?): Boolean =
        other is Room && other.client === client && other.id == id

    override fun hashCode(): Int = id.hashCode()

    override fun toString(): String = "Room($id)"
}
