package dev.tidewire.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.PowerManager
import java.io.Closeable

/** Tells whether the battery saver is on. */
internal class PowerObserver(
    private val context: Context,
    private val tell: (Boolean) -> Unit,
) : Closeable {
    private val power = context.getSystemService(PowerManager::class.java)

    private val saver =
        object : BroadcastReceiver() {
            override fun onReceive(context: Context, intent: Intent) = tell(power.isPowerSaveMode)
        }

    init {
        tell(power.isPowerSaveMode)
        // Only the system may send this one.
        context.registerReceiver(saver, IntentFilter(PowerManager.ACTION_POWER_SAVE_MODE_CHANGED))
    }

    override fun close() = context.unregisterReceiver(saver)
}
