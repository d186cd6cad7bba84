package dev.tidewire

import kotlinx.coroutines.flow.Flow

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
    ): String = client.send(id, text, mentions, metadataJson)

    /**
     * Marks the room as read up to [seq], also for the user's other devices. Never goes back;
     * survives a restart, and reaches the server when there is a network. Goes on if the caller is
     * cancelled. Waits for the disk, never for the network.
     *
     * @param seq the place of a message in the room, from 1 on.
     * @throws TidewireException `InvalidId`, `UnknownRoom`, `NotAMember`, `Suspended`, `Closed`,
     *   those of the store.
     */
    public suspend fun markRead(seq: Long): Unit = client.markRead(id, seq)

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
     * Queues the failed message [message] again. Goes on if the caller is cancelled. Waits for the
     * disk.
     *
     * @throws TidewireException `InvalidText`, `InvalidId`, `UnknownMessage`, `Closed`, those of
     *   the store.
     */
    public suspend fun retry(message: String): Unit = client.retry(id, message)

    /**
     * Takes the failed message [message] out of the outbox: those behind it go on. Goes on if the
     * caller is cancelled. Waits for the disk.
     *
     * @throws TidewireException as for [retry].
     */
    public suspend fun discard(message: String): Unit = client.discard(id, message)

    /**
     * Why what is shown of this room is or is not all, and new: what is missing, and what it waits
     * for. From memory, also while the app is suspended.
     *
     * @throws TidewireException `InvalidId`, `UnknownRoom`, `Closed`, those of the store.
     */
    public suspend fun why(): Why = client.whyRoom(id)

    /**
     * Why the message [message] is in the state that it is in. From memory if it is in the outbox
     * or in an open timeline, also while the app is suspended; else waits for the disk.
     *
     * @throws TidewireException `InvalidText`, `InvalidId`, `UnknownMessage`, `Suspended`,
     *   `Closed`, those of the store.
     */
    public suspend fun why(message: String): Why = client.whyMessage(id, message)

    /**
     * Opens a timeline at the newest messages; close it when nobody looks any more. Waits for the
     * disk.
     *
     * @throws TidewireException `InvalidId`, `UnknownRoom`, `Closed`, those of the store.
     */
    public suspend fun timeline(): Timeline = client.timeline(id)

    override fun equals(other: Any?): Boolean =
        other is Room && other.client === client && other.id == id

    override fun hashCode(): Int = id.hashCode()

    override fun toString(): String = "Room($id)"
}
