package dev.tidewire

/** Where [TidewireClient.search] looks. */
public enum class SearchScope {
    /** In what is on this device: at once, also without a network. */
    DEVICE,

    /** Also on the server, unless what is on this device is all there is. */
    EVERYWHERE,
}

/** Who looked. */
public enum class SearchSource {
    /** This device. */
    DEVICE,

    /** The server. */
    SERVER,
}

/**
 * What a search found.
 *
 * @property hits the newest first, each once.
 * @property next where the next page begins: for [TidewireClient.search]; null at the end of what was
 *   looked through.
 * @property complete whether all there is was looked through: nothing older can be missing. If not,
 *   the same search with [SearchScope.EVERYWHERE] may find more; if it has that scope already, the
 *   server was not reached, or has not finished its index.
 * @property source who looked.
 * @property coverage what is on this device of the rooms that were searched. Empty on a page that goes
 *   on with what the server found.
 */
public data class SearchPage(
    val hits: List<SearchHit>,
    val next: String?,
    val complete: Boolean,
    val source: SearchSource,
    val coverage: List<RoomCoverage>,
)

/**
 * A message that was found.
 *
 * @property message the message as it is now.
 * @property snippet what to show of it: pieces of text, one behind the other.
 */
public data class SearchHit(
    val message: Message,
    val snippet: List<SnippetPart>,
)

/**
 * A piece of a snippet.
 *
 * @property text the text.
 * @property matched whether this is what was looked for.
 */
public data class SnippetPart(
    val text: String,
    val matched: Boolean,
)

/**
 * What a search on this device looks through of a room.
 *
 * @property room the room's id.
 * @property completeFrom every message from this seq to the newest was looked through; null if not even
 *   the newest was. What is on this device below it was looked through too, with holes.
 * @property complete whether that is the whole room.
 * @property indexing whether more of the room is on this device and still to be taken into the index:
 *   a search some seconds later reaches further.
 */
public data class RoomCoverage(
    val room: String,
    val completeFrom: Long?,
    val complete: Boolean,
    val indexing: Boolean,
)
