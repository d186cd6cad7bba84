package dev.tidewire.android

import android.util.Log
import dev.tidewire.LogLevel
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class SystemLogTest {
    @Test
    fun `each level has logcat's name for it`() {
        val priorities = listOf(Log.ERROR, Log.WARN, Log.INFO, Log.DEBUG, Log.VERBOSE)
        assertEquals(priorities, LogLevel.entries.map(::priorityOf))
    }

    @Test
    fun `a long line comes whole, in pieces that logcat takes`() {
        assertEquals(listOf(""), pieces(""))
        assertEquals(listOf("short"), pieces("short"))
        for (text in listOf("x".repeat(1_300), "x".repeat(1_301), "🌊".repeat(3_000), "x" + "🌊".repeat(3_000))) {
            val pieces = pieces(text)
            assertEquals(text, pieces.joinToString(""))
            for (piece in pieces) {
                assertTrue(piece.toByteArray().size < 4_000)
                assertTrue(piece.isNotEmpty() && !piece.first().isLowSurrogate() && !piece.last().isHighSurrogate())
            }
        }
    }
}
