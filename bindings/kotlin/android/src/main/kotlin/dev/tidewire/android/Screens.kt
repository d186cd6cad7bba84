package dev.tidewire.android

/**
 * Whether somebody looks at the app: which of its activities are started. One that is made anew, because
 * the device was turned for example, counts on until the new one is there. Not thread-safe: activities
 * live on one thread.
 *
 * @param visible whether an activity was started before anybody counted.
 */
internal class Screens(visible: Boolean) {
    private val started = HashSet<Any>()

    /** Activities that were stopped only to be made anew. */
    private var returning = 0

    /** Of activities from before, whose number nobody knows: they end with the first that stops. */
    private var before = visible

    val visible: Boolean get() = started.isNotEmpty() || returning > 0 || before

    fun started(activity: Any) {
        started += activity
        if (returning > 0) returning -= 1
    }

    /** @param changing whether it is about to be made anew. */
    fun stopped(activity: Any, changing: Boolean) {
        if (!started.remove(activity)) before = false
        if (changing) returning += 1
    }
}
