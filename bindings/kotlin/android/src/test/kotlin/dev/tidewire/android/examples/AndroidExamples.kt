package dev.tidewire.android.examples

import android.app.Application
import android.content.Context
import androidx.work.CoroutineWorker
import androidx.work.WorkerParameters
import dev.tidewire.LogLevel
import dev.tidewire.RefreshOutcome
import dev.tidewire.Settings
import dev.tidewire.TidewireClient
import dev.tidewire.android.DeviceSignals
import dev.tidewire.android.KeystoreTokens
import dev.tidewire.android.SystemLog
import dev.tidewire.model.ClientStatus
import dev.tidewire.refreshOnce
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlin.time.Duration.Companion.minutes

// snippet: application
class ChatApp : Application() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    private val tokens by lazy { KeystoreTokens(this) }

    /** Null until somebody has signed in. */
    var client: TidewireClient? = null
        private set
    var status: ClientStatus? = null
        private set

    suspend fun signIn(user: String, token: String) {
        tokens.save(user, token)
        val opened = TidewireClient.open(settings(user)) { tokenOf(user) }
        client = opened
        status = ClientStatus(opened, scope)
        DeviceSignals.observe(this, opened)
    }

    fun settings(user: String) =
        Settings("https://chat.example.com", user, dataDir = filesDir.resolve("chat").path)

    suspend fun tokenOf(user: String): String = tokens.load(user) ?: error("nobody is signed in")
}
// end

// snippet: logcat
class LoggingApp : Application() {
    override fun onCreate() {
        super.onCreate()
        // Into logcat, under the tag "Tidewire".
        SystemLog(LogLevel.DEBUG)
    }
}
// end

// snippet: worker
class RefreshWorker(context: Context, parameters: WorkerParameters) : CoroutineWorker(context, parameters) {
    override suspend fun doWork(): Result {
        val app = applicationContext as ChatApp
        val user = app.lastUser() ?: return Result.success()
        val open = app.client
        if (open != null) {
            // The process lives: its own client does it, and wakes for it if it has to.
            return if (open.refreshOnce(1.minutes).complete) Result.success() else Result.retry()
        }
        return when (refreshOnce(app.settings(user), 1.minutes) { app.tokenOf(user) }) {
            RefreshOutcome.DONE -> Result.success()
            RefreshOutcome.LATER -> Result.retry()
            RefreshOutcome.SIGN_IN -> Result.failure()
        }
    }
}
// end

/** The app's own: who was signed in last. */
private fun ChatApp.lastUser(): String? = getSharedPreferences("session", 0).getString("user", null)
