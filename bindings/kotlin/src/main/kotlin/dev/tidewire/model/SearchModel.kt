package dev.tidewire.model

import dev.tidewire.SearchHit
import dev.tidewire.SearchPage
import dev.tidewire.SearchScope
import dev.tidewire.TidewireClient
import dev.tidewire.TidewireException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlin.time.Duration.Companion.milliseconds

/**
 * What a search shows.
 *
 * @property text what is looked for.
 * @property hits the newest first.
 * @property searching whether somebody still looks.
 * @property complete whether nothing older can be missing.
 * @property more whether [SearchModel.loadMore] brings a further page.
 * @property problem why the search failed: a text without any word in it, as a rule.
 */
public data class SearchState(
    val text: String = "",
    val hits: List<SearchHit> = emptyList(),
    val searching: Boolean = false,
    val complete: Boolean = false,
    val more: Boolean = false,
    val problem: TidewireException? = null,
)

/**
 * A search as the user types: at once on the device, and in a pause of typing on the server too, unless all
 * there is is here. It lives as long as the [scope]; read and written on any thread.
 *
 * @param room only in the room with this id.
 */
public class SearchModel(
    private val client: TidewireClient,
    scope: CoroutineScope,
    private val room: String? = null,
) {
    /** What is to be shown: [pages] of them. */
    private data class Wish(
        val text: String,
        val pages: Int,
    )

    private val wish = MutableStateFlow(Wish("", pages = 1))
    private val shown = MutableStateFlow(SearchState())

    /** What was found. */
    public val state: StateFlow<SearchState> = shown.asStateFlow()

    /** Page after page of [text], so that a further one begins where the last has ended. */
    private var found = emptyList<SearchPage>()
    private var text = ""

    init {
        scope.launch { wish.collectLatest(::show) }
    }

    /** The user has typed: looks for this from now on; for nothing if it is blank. */
    public fun find(text: String) {
        wish.value = Wish(text.trim(), pages = 1)
    }

    /** The user has scrolled to the end: a further page, if there is one. */
    public fun loadMore() {
        if (shown.value.more && !shown.value.searching) wish.update { it.copy(pages = it.pages + 1) }
    }

    /** Alone: the one before was cancelled, and has ended. */
    private suspend fun show(wish: Wish) {
        if (wish.text != text) {
            text = wish.text
            found = emptyList()
        }
        if (text.isEmpty()) {
            shown.value = SearchState()
            return
        }
        shown.update { it.copy(text = text, searching = true, problem = null) }
        try {
            if (found.isEmpty()) begin() else proceed(wish.pages)
        } catch (_: TidewireException.Closed) {
            tell(searching = false)
        } catch (error: TidewireException) {
            tell(searching = false)
            shown.update { it.copy(problem = error) }
        }
    }

    private suspend fun begin() {
        found = listOf(client.search(text, room = room))
        if (!found.last().complete) {
            tell(searching = true)
            delay(PAUSE)
            found = listOf(client.search(text, SearchScope.EVERYWHERE, room))
        }
        tell(searching = false)
    }

    private suspend fun proceed(pages: Int) {
        while (found.size < pages) {
            val next = found.last().next ?: break
            found += client.search(text, SearchScope.EVERYWHERE, room, after = next)
        }
        tell(searching = false)
    }

    private fun tell(searching: Boolean) {
        val last = found.lastOrNull()
        shown.value =
            SearchState(
                text = text,
                // What came in while one looked may stand on two pages.
                hits = found.flatMap { it.hits }.distinctBy { it.message.id },
                searching = searching,
                complete = last?.complete == true,
                more = last?.next != null,
            )
    }
}

/** A pause of typing. */
private val PAUSE = 300.milliseconds
