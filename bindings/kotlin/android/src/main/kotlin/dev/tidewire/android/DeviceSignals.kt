package dev.tidewire.android

import android.app.ActivityManager
import android.app.Application
import dev.tidewire.AppState
import dev.tidewire.TidewireClient
import java.io.Closeable
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * Watches the device for a client: whether somebody looks at the app, the network, data saver, battery
 * saver. With framework classes alone, and without any permission that a user would be asked for.
 *
 * | what | from | what the client is told |
 * |---|---|---|
 * | an activity is started, or none is any more | `ActivityLifecycleCallbacks` | [TidewireClient.setAppState] |
 * | Wi-Fi, cellular, 2G, metered, blocked | `ConnectivityManager`, `TelephonyManager` | [TidewireClient.setNetwork] |
 * | data saver | `getRestrictBackgroundStatus` | `constrained` of the network |
 * | battery saver | `PowerManager` | [TidewireClient.setPower] |
 *
 * It takes the client for nothing but that, and ends when it is closed; close it before the client, or let
 * the client's end end it.
 */
public class DeviceSignals private constructor(
    private val observers: List<Closeable>,
) : Closeable {
    private val closed = AtomicBoolean()

    /** Watches no more. What the client was told last stays. Returns at once. Idempotent. */
    override fun close() {
        if (closed.compareAndSet(false, true)) observers.forEach { it.close() }
    }

    /** Where they come from. */
    public companion object {
        /**
         * Begins to watch, and tells the client at once how things are. Call it on the main thread, where
         * activities live: from `Application.onCreate` on, once for each client.
         *
         * @param suspendAfter how long after the last activity has stopped the client is to close its files
         *   ([AppState.SUSPENDED]). The system freezes an app that nobody sees after 10 s, without a word, and
         *   ends one that holds a file locked then. Null for an app that goes on working in the background,
         *   in a foreground service for example.
         */
        public fun observe(
            application: Application,
            client: TidewireClient,
            suspendAfter: Duration? = SUSPEND_AFTER,
        ): DeviceSignals {
            val relay = SignalRelay(client, suspendAfter)
            val observers =
                listOf<Closeable>(
                    LifecycleObserver(application, isSeen(), relay::visible),
                    NetworkObserver(application, relay::network),
                    PowerObserver(application, relay::lowPower),
                )
            return DeviceSignals(observers + relay)
        }

        /** Time enough to send what waits and to read once, and less than the 10 s after which the system freezes. */
        private val SUSPEND_AFTER = 8.seconds

        /** Whether an activity of this process is on the screen. */
        private fun isSeen(): Boolean {
            val process = ActivityManager.RunningAppProcessInfo()
            ActivityManager.getMyMemoryState(process)
            return process.importance <= ActivityManager.RunningAppProcessInfo.IMPORTANCE_FOREGROUND
        }
    }
}
