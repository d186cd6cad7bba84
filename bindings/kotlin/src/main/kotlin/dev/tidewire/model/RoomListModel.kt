package dev.tidewire.model

import dev.tidewire.RoomFilter
import dev.tidewire.RoomList
import dev.tidewire.RoomListState
import dev.tidewire.RoomSort
import dev.tidewire.TidewireClient
import dev.tidewire.TidewireException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch

/**
 * A list of rooms on a screen. It is open for as long as the [scope] lives, that of a view model for
 * example; read and written on any thread.
 *
 * @param window how many rows are told at most: see [TidewireClient.roomList].
 */
public class RoomListModel(
    private val client: TidewireClient,
    scope: CoroutineScope,
    sort: RoomSort = RoomSort.RECENT,
    filter: RoomFilter = RoomFilter(),
    private val window: Int? = null,
) {
    private data class Query(
        val sort: RoomSort,
        val filter: RoomFilter,
    )

    private val asked = MutableStateFlow(Query(sort, filter))
    private val shown = MutableStateFlow(RoomListState.EMPTY)
    private val failed = MutableStateFlow<TidewireException?>(null)

    /** Which rows are on the screen, also for a list that is only about to open. */
    private val visible = MutableStateFlow(0 to 0)

    /** The rows. */
    public val state: StateFlow<RoomListState> = shown.asStateFlow()

    /** What went wrong last, until [settle]. */
    public val problem: StateFlow<TidewireException?> = failed.asStateFlow()

    init {
        scope.launch {
            asked.collectLatest { query -> persist(failed) { follow(query) } }
        }
    }

    /** Shows the rooms in another order. */
    public fun sort(by: RoomSort): Unit = asked.update { it.copy(sort = by) }

    /** Shows other rooms. */
    public fun filter(by: RoomFilter): Unit = asked.update { it.copy(filter = by) }

    /** Shows only rooms whose name contains [text]; all if it is empty. */
    public fun find(text: String): Unit =
        asked.update { it.copy(filter = it.filter.copy(name = text.ifBlank { null })) }

    /** Tells which rows are on the screen: see [RoomList.setVisible]. Call it as the user scrolls. */
    public fun setVisible(first: Int, count: Int) {
        visible.value = first to count
    }

    /** The user has seen the problem. */
    public fun settle() {
        failed.value = null
    }

    private suspend fun follow(query: Query) {
        client.roomList(query.sort, query.filter, window).use { list ->
            coroutineScope {
                val scrolling =
                    launch {
                        visible.collect { (first, count) -> if (count > 0) list.setVisible(first, count) }
                    }
                list.rows.collect { shown.value = it }
                scrolling.cancel()
            }
        }
    }
}
