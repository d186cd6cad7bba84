package dev.tidewire

import dev.tidewire.internal.mended
import dev.tidewire.internal.valid
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse

private const val HIGH = "\uD83D"
private const val LOW = "\uDE00"

class InvalidTextTest {
    // scenario: invalid-utf16
    @Test
    fun `half a surrogate pair is refused wherever it is given, and nothing is sent`() =
        scene {
            val client = open(ada)
            val room = client.directRoom(grace)
            val bad = "cut $HIGH"
            val calls =
                mapOf<String, suspend () -> Unit>(
                    "text" to { room.send(bad) },
                    "mentions[1]" to { room.send("Hello", mentions = listOf(grace, bad)) },
                    "metadataJson" to { room.send("Hello", metadataJson = bad) },
                    "kind" to { room.sendAs(bad, "{}") },
                    "contentJson" to { room.sendAs("app", bad) },
                    "message" to { room.retry(bad) },
                    "message " to { room.discard(bad) },
                    "id" to { client.room(bad) },
                    "peer" to { client.directRoom(bad) },
                    "name" to { client.createGroup(bad, listOf(grace)) },
                    "members[0]" to { client.createGroup("Tea", listOf(bad)) },
                    "url" to { TidewireClient.open(settings(ada).copy(url = bad)) { "" } },
                    "user" to { TidewireClient.open(settings(bad)) { "" } },
                    "dataDir" to { TidewireClient.open(settings(ada).copy(dataDir = bad)) { "" } },
                )
            for ((argument, call) in calls) {
                val error = failure<TidewireException.InvalidText>(argument) { call() }
                assertEquals(argument.trim(), error.argument)
                assertEquals(4, error.index)
                assertFalse(error.isTemporary)
                assertEquals(
                    "`${argument.trim()}` is no valid Unicode: at index 4 there is U+D83D, " +
                        "half of a surrogate pair without the other half",
                    error.message,
                )
            }
            room.send("whole $HIGH$LOW")
            room.timeline().awaitSent(listOf("whole $HIGH$LOW"))
            assertEquals(1, client.rooms().size)
            open(grace).directRoom(ada).timeline().awaitSent(listOf("whole $HIGH$LOW"))
        }

    @Test
    fun `pairs pass, halves are found where they are`() {
        for (text in listOf("", "a", "$HIGH$LOW", "a$HIGH${LOW}b$HIGH$LOW", "\uFFFD\uFFFF")) {
            assertEquals(text, valid("text", text))
            assertEquals(text, mended(text))
        }
        val halves =
            listOf(
                Triple(HIGH, 0, "?"),
                Triple(LOW, 0, "?"),
                Triple("$LOW$HIGH", 0, "??"),
                Triple("$HIGH$HIGH$LOW", 0, "?$HIGH$LOW"),
                Triple("$HIGH$LOW$LOW", 2, "$HIGH$LOW?"),
                Triple("ab${HIGH}c", 2, "ab?c"),
            )
        for ((text, index, mended) in halves) {
            assertEquals(index, failure<TidewireException.InvalidText> { valid("text", text) }.index)
            assertEquals(mended.replace('?', '\uFFFD'), mended(text))
        }
    }
}
