package dev.tidewire.example

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.TextView
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.launch

/** A screen of somebody who is signed in: with the status bar, and a scope that ends with it. */
abstract class Screen : Activity() {
    /** Of the screen's models. */
    protected val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    protected lateinit var session: Session
        private set
    private val shown = mutableListOf<suspend CoroutineScope.() -> Unit>()
    private var showing: Job? = null

    /** Builds the screen, once there is a session. */
    protected abstract fun build(state: Bundle?)

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        val open = (application as ExampleApp).session
        if (open == null) {
            // The process is new: the first screen opens the client.
            startActivity(Intent(this, SignInActivity::class.java))
            finish()
            return
        }
        session = open
        build(state)
        findViewById<View>(R.id.status)?.let { showStatus() }
    }

    override fun onStart() {
        super.onStart()
        showing = scope.launch { shown.forEach { launch { it() } } }
    }

    override fun onStop() {
        showing?.cancel()
        super.onStop()
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    /** Draws each value of the flow for as long as somebody looks. */
    protected fun <T> show(flow: Flow<T>, draw: (T) -> Unit) {
        shown.add { flow.collect { draw(it) } }
    }

    private fun showStatus() {
        val status = findViewById<TextView>(R.id.status)
        show(combine(session.status.mode, session.status.latencyMs, ::Pair)) { (mode, latency) ->
            status.text = statusLine(resources, mode, latency)
            status.contentDescription = statusDescribed(resources, mode)
        }
        val line = findViewById<TextView>(R.id.notice)
        // What needs the user stays, a change of the mode goes by itself.
        val trouble =
            combine(session.status.signInNeeded, session.status.storeTrouble) { signIn, store ->
                signIn?.let { getString(R.string.problem_sign_in, it) }
                    ?: store?.let { getString(R.string.problem_store, it) }
            }
        show(combine(trouble, session.status.notice, ::Pair)) { (text, notice) ->
            line.text = text ?: notice?.let { noticeText(resources, it) }
            line.visibility = if (line.text.isNullOrEmpty()) View.GONE else View.VISIBLE
        }
        shown.add {
            session.status.notice.filterNotNull().collectLatest {
                delay(NOTICE_MS)
                session.status.dismissNotice()
            }
        }
    }
}

/** Long enough to be read. */
private const val NOTICE_MS = 5_000L
