package dev.tidewire

import kotlin.test.assertIs

/** The exception that this throws, which has to be one of this kind. */
internal inline fun <reified E : Throwable> failure(
    what: String = "",
    call: () -> Unit,
): E {
    try {
        call()
    } catch (error: Throwable) {
        return assertIs<E>(error, "$what: $error")
    }
    throw AssertionError("$what: it did not fail")
}
