package dev.tidewire.model

import dev.tidewire.ClientEvent
import dev.tidewire.Fact
import dev.tidewire.Mode
import dev.tidewire.ModeReason
import dev.tidewire.ModeStatus
import dev.tidewire.Repair
import dev.tidewire.TidewireClient
import dev.tidewire.TidewireException
import dev.tidewire.Unread
import dev.tidewire.Why
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * What an app shows of a client as a whole: the mode with its reason, how fast the server answers, what is
 * unread, what is wrong. It follows the client for as long as the [scope] lives, that of the app as a rule.
 * Read and written on any thread.
 *
 * It takes the client's [events][TidewireClient.events] from the opening on: make it before anybody else
 * collects them.
 *
 * @param every how often it looks at what tells of no change by itself: from memory.
 */
public class ClientStatus(
    private val client: TidewireClient,
    scope: CoroutineScope,
    private val every: Duration = 5.seconds,
) {
    private val watch = ModeWatch()
    private val told = MutableStateFlow<ModeNotice?>(null)
    private val answers = MutableStateFlow<Long?>(null)
    private val counted = MutableStateFlow<Unread?>(null)
    private val token = MutableStateFlow<String?>(null)
    private val store = MutableStateFlow<String?>(null)
    private val mended = MutableStateFlow<Repair?>(null)
    private val failed = MutableStateFlow<TidewireException?>(null)

    /** The mode and why it is so. */
    public val mode: StateFlow<ModeStatus> get() = client.mode

    /**
     * The last change of the mode that is worth telling, until [dismissNotice]. Going to the background and
     * coming back is none.
     */
    public val notice: StateFlow<ModeNotice?> = told.asStateFlow()

    /** What three of four of the server's last answers took at most, in ms; null if there were too few. */
    public val latencyMs: StateFlow<Long?> = answers.asStateFlow()

    /** What is unread of all rooms together, for a badge; null until it is known. */
    public val unread: StateFlow<Unread?> = counted.asStateFlow()

    /** Why the user has to sign in again; null if not, and once there is a token that the server takes. */
    public val signInNeeded: StateFlow<String?> = token.asStateFlow()

    /** What is wrong with the store, so that nothing new is read; null if nothing is. */
    public val storeTrouble: StateFlow<String?> = store.asStateFlow()

    /** What was found damaged on disk and is mended, until [dismissRepair]. */
    public val repair: StateFlow<Repair?> = mended.asStateFlow()

    init {
        // Begun before this returns: no event and no change falls between.
        scope.launch(start = CoroutineStart.UNDISPATCHED) {
            client.mode.collect { mode -> watch.take(mode)?.let { told.value = it } }
        }
        scope.launch(start = CoroutineStart.UNDISPATCHED) {
            persist(failed) { client.events.collect(::note) }
        }
        scope.launch { persist(failed) { client.unreadTotal.collect { counted.value = it } } }
        scope.launch {
            persist(failed) {
                while (true) {
                    look(client.why())
                    delay(every)
                }
            }
        }
    }

    /** The notice was seen. */
    public fun dismissNotice() {
        told.value = null
    }

    /** The user knows what was mended. */
    public fun dismissRepair() {
        mended.value = null
    }

    private fun note(event: ClientEvent) {
        when (event) {
            is ClientEvent.AuthRequired -> token.value = event.reason
            is ClientEvent.WrongUser -> token.value = "the token belongs to ${event.tokenUser}"
            is ClientEvent.StoreFailed -> store.value = event.reason
            is ClientEvent.StoreRecovered -> store.value = null
            is ClientEvent.Repaired -> mended.value = event.repair
            else -> Unit
        }
    }

    private fun look(why: Why) {
        val ceilings = why.facts.filterIsInstance<Fact.Ceiling>()
        answers.value = ceilings.firstNotNullOfOrNull { (it.signal as? ModeReason.Latency)?.ms }
        // Nothing tells that a token was found: that nothing waits for one any more does.
        if (why.facts.none { it is Fact.Token }) token.value = null
    }
}

/**
 * That the mode has changed: something to show for a moment.
 *
 * @property from the mode that the user knew of.
 * @property to the mode now.
 * @property reason the signal that bound it.
 * @property reasonText the same in English words.
 */
public data class ModeNotice(
    val from: Mode,
    val to: Mode,
    val reason: ModeReason,
    val reasonText: String,
) {
    /** Whether the client does less than before. */
    public val isStepDown: Boolean get() = to < from
}

/**
 * Finds out which changes of the mode are worth a notice: those from one that the user has seen to another.
 * What only follows from leaving the app or from starting it is none.
 */
internal class ModeWatch {
    private var known: Mode? = null

    fun take(status: ModeStatus): ModeNotice? {
        if (status.reason is ModeReason.Starting || status.reason is ModeReason.App) return null
        val from = known
        known = status.mode
        if (from == null || from == status.mode) return null
        return ModeNotice(from, status.mode, status.reason, status.reasonText)
    }
}
