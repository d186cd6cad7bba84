package dev.tidewire.internal

import dev.tidewire.TidewireException

/** The text, if it can cross the border; [argument] is what callers know it as. */
internal fun valid(argument: String, text: String): String {
    val index = loneSurrogate(text)
    if (index >= 0) throw TidewireException.InvalidText(argument, index, text[index])
    return text
}

/** The same for a list of them. */
internal fun valid(argument: String, texts: List<String>): List<String> =
    texts.mapIndexed { index, text -> valid("$argument[$index]", text) }

/** The text with U+FFFD in place of whatever is no valid Unicode: for texts that must get through. */
internal fun mended(text: String): String {
    if (loneSurrogate(text) < 0) return text
    val chars = text.toCharArray()
    var index = 0
    while (index < chars.size) {
        when {
            isPair(text, index) -> index++
            chars[index].isSurrogate() -> chars[index] = '\uFFFD'
        }
        index++
    }
    return chars.concatToString()
}

/** Where the first half of a surrogate pair without the other half is; -1 if there is none. */
private fun loneSurrogate(text: String): Int {
    var index = 0
    while (index < text.length) {
        when {
            isPair(text, index) -> index++
            text[index].isSurrogate() -> return index
        }
        index++
    }
    return -1
}

private fun isPair(text: String, index: Int): Boolean =
    index + 1 < text.length && text[index].isHighSurrogate() && text[index + 1].isLowSurrogate()
