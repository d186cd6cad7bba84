package dev.tidewire.model

import dev.tidewire.Loaded
import dev.tidewire.NewFile
import dev.tidewire.Room
import dev.tidewire.TidewireException
import dev.tidewire.Timeline
import dev.tidewire.TimelineRow
import dev.tidewire.TimelineStart
import dev.tidewire.TimelineState
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.withContext
import kotlin.time.Duration.Companion.milliseconds

/**
 * One room on a screen: its messages, what the user writes, what is read. It is open for as long as the
 * [scope] lives, that of a view model for example. What the user does returns at once, holds from then on
 * whatever becomes of the screen, and tells a failure through [problem]. Read and written on any thread.
 *
 * @param start where it opens.
 */
public class TimelineModel(
    private val room: Room,
    private val scope: CoroutineScope,
    start: TimelineStart = TimelineStart.Newest,
) {
    /** Each [jump] is a wish of its own, also to where one has been before. */
    private class Place(val start: TimelineStart)

    private val place = MutableStateFlow(Place(start))
    private val shown = MutableStateFlow(TimelineState.EMPTY)
    private val open = MutableStateFlow<Timeline?>(null)
    private val failed = MutableStateFlow<TidewireException?>(null)
    private val fetching = MutableStateFlow(false)
    private val paging = Mutex()
    private val written = MutableStateFlow("")
    private val typing = MutableStateFlow(emptyList<String>())
    private val read = MutableStateFlow(0L)

    /** Null until the draft was read: nothing is written over it before. */
    private val unsaved = MutableStateFlow<String?>(null)

    /** The rows. */
    public val state: StateFlow<TimelineState> = shown.asStateFlow()

    /** Whether a page is on its way. */
    public val loading: StateFlow<Boolean> = fetching.asStateFlow()

    /** What stands in the field in which the user writes: the draft, to begin with. */
    public val text: StateFlow<String> = written.asStateFlow()

    /** Who types in the room, the user excepted, by their ids. */
    public val typists: StateFlow<List<String>> = typing.asStateFlow()

    /** What went wrong last, until [settle]. */
    public val problem: StateFlow<TidewireException?> = failed.asStateFlow()

    init {
        scope.launch { place.collectLatest { persist(failed) { follow(it.start) } } }
        scope.launch { persist(failed) { room.typists.collect { typing.value = it } } }
        scope.launch { persist(failed) { read.collect { if (it > 0) room.markRead(it) } } }
        // Begun before this returns, so that what is written at once is kept even if the screen goes at once.
        scope.launch(start = CoroutineStart.UNDISPATCHED) { persist(failed) { keepDraft() } }
    }

    /** The user has changed what stands in the field. It is kept as a draft, and the others see that he types. */
    public fun write(text: String) {
        if (text == written.value) return
        written.value = text
        unsaved.value = text
        if (text.isNotEmpty()) room.typing()
    }

    /** Sends what stands in the field, and empties it. If that fails, it stands there again. */
    public fun send(): Unit = sendWritten { room.send(it) }

    /** The same as an answer to the message [to], which it quotes. */
    public fun reply(to: String): Unit = sendWritten { room.reply(to, it) }

    /** Sends these files, with what stands in the field. */
    public fun sendFiles(files: List<NewFile>): Unit = sendWritten(evenEmpty = true) { room.sendFiles(files, it) }

    /** Has the user's message say something else. */
    public fun edit(message: String, text: String): Unit = act { room.edit(message, text) }

    /** Deletes a message. */
    public fun delete(message: String): Unit = act { room.delete(message) }

    /** Puts a mark on a message, or takes the user's own away again. */
    public fun react(message: String, key: String) {
        val mine = shown.value.messages.find { it.id == message }?.reactions?.any { it.key == key && it.mine }
        act { if (mine == true) room.unreact(message, key) else room.react(message, key) }
    }

    /** Queues a message that failed again. */
    public fun retry(message: String): Unit = act { room.retry(message) }

    /** Takes a message that failed out of the outbox. */
    public fun discard(message: String): Unit = act { room.discard(message) }

    /** Takes a message back, however far it is. */
    public fun cancel(message: String): Unit = act { room.cancel(message) }

    /** The user has scrolled to the oldest rows: older ones come, if there are any. One page at a time. */
    public fun loadOlder(count: Int = PAGE): Unit =
        page { timeline -> if (shown.value.moreBefore) timeline.loadOlder(count) else null }

    /** The same with newer ones. */
    public fun loadNewer(count: Int = PAGE): Unit =
        page { timeline -> if (shown.value.moreAfter) timeline.loadNewer(count) else null }

    /** Fetches what is missing in a gap. */
    public fun fill(gap: TimelineRow.Gap): Unit = page { timeline -> timeline.fillGap(gap) }

    /** Shows another place of the room: a message that was found, or the newest again. */
    public fun jump(to: TimelineStart) {
        place.value = Place(to)
    }

    /** The user has seen the row of this seq, and so all before it. Any number of times. */
    public fun seen(seq: Long): Unit = read.update { maxOf(it, seq) }

    /** The user has seen the problem. */
    public fun settle() {
        failed.value = null
    }

    private suspend fun follow(start: TimelineStart) {
        val timeline = room.timeline(start)
        try {
            open.value = timeline
            timeline.rows.collect { shown.value = it }
        } finally {
            open.compareAndSet(timeline, null)
            timeline.close()
        }
    }

    private fun sendWritten(evenEmpty: Boolean = false, send: suspend (String) -> Unit) {
        val text = written.value
        if (text.isBlank() && !evenEmpty) return
        written.value = ""
        unsaved.value = ""
        act {
            try {
                send(text)
            } catch (error: TidewireException) {
                // Unless something else was typed meanwhile.
                if (written.compareAndSet("", text)) unsaved.value = text
                throw error
            }
        }
    }

    /** Begun before this returns, so that it goes out even if the screen is closed in the same breath. */
    private fun act(work: suspend () -> Unit) {
        scope.launch(start = CoroutineStart.UNDISPATCHED) {
            try {
                work()
            } catch (_: TidewireException.Closed) {
                // The screen goes with the client.
            } catch (error: TidewireException) {
                failed.value = error
            }
        }
    }

    private fun page(load: suspend (Timeline) -> Loaded?) {
        val timeline = open.value ?: return
        if (!paging.tryLock()) return
        fetching.value = true
        act {
            try {
                load(timeline)
            } finally {
                fetching.value = false
                paging.unlock()
            }
        }
    }

    /** Reads the draft, then keeps what is written, a moment after the last letter and when the screen goes. */
    private suspend fun keepDraft() {
        var kept: String? = null
        try {
            val draft = room.draft().orEmpty()
            // What the user has written meanwhile is newer.
            if (unsaved.value == null) written.compareAndSet("", draft)
            kept = draft
            unsaved.filterNotNull().collectLatest { text ->
                delay(DRAFT_AFTER)
                room.setDraft(text)
                kept = text
            }
        } finally {
            val last = unsaved.value
            if (last != null && last != kept) withContext(NonCancellable) { keepLast(last) }
        }
    }

    private suspend fun keepLast(text: String) {
        try {
            room.setDraft(text)
        } catch (_: TidewireException) {
            // The client is closed or the disk full: nobody is there any more who could be told.
        }
    }
}

/** A page of messages: about three screens. */
private const val PAGE = 50

/** So that a word costs one write and not one for each letter. */
private val DRAFT_AFTER = 300.milliseconds
