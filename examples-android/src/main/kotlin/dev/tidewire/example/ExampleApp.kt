package dev.tidewire.example

import android.app.Application
import android.content.Context
import dev.tidewire.Logout
import dev.tidewire.Settings
import dev.tidewire.TidewireClient
import dev.tidewire.android.DeviceSignals
import dev.tidewire.android.KeystoreTokens
import dev.tidewire.model.ClientStatus
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock

/** Who is signed in, for as long as the process lives. */
class ExampleApp : Application() {
    private val opening = Mutex()
    private val tokens by lazy { KeystoreTokens(this) }
    private val remembered by lazy { getSharedPreferences("session", Context.MODE_PRIVATE) }

    /** Null while nobody is signed in, or the client is not open yet. */
    var session: Session? = null
        private set

    /** The session of who was signed in last; null if nobody was. On the main thread, as all of this. */
    suspend fun resume(): Session? =
        opening.withLock {
            session?.let { return it }
            val server = remembered.getString(SERVER, null) ?: return null
            val user = remembered.getString(USER, null) ?: return null
            if (tokens.load(user) == null) return null
            open(server, user)
        }

    /** Begins a session and remembers it. An app of its own would ask its sign-in server for the token. */
    suspend fun signIn(server: String, user: String, token: String): Session =
        opening.withLock {
            tokens.save(user, token)
            val session = open(server, user)
            remembered.edit().putString(SERVER, server).putString(USER, user).apply()
            session
        }

    /** Ends it; with [Logout.KEEP] only if nothing waits to be sent. */
    suspend fun signOut(logout: Logout) {
        val ended = session ?: return
        ended.client.logout(logout)
        ended.end()
        tokens.forget(ended.client.user)
        remembered.edit().clear().apply()
        session = null
    }

    private suspend fun open(server: String, user: String): Session {
        val settings = Settings(server, user, dataDir = filesDir.resolve("tidewire").path)
        val client =
            TidewireClient.open(settings) { tokens.load(user) ?: error("nobody is signed in") }
        return Session(this, client).also { session = it }
    }
}

/** What lives as long as somebody is signed in. */
class Session(
    app: Application,
    val client: TidewireClient,
) {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    private val signals = DeviceSignals.observe(app, client)
    val status = ClientStatus(client, scope)

    fun end() {
        signals.close()
        scope.cancel()
    }
}

private const val SERVER = "server"
private const val USER = "user"
