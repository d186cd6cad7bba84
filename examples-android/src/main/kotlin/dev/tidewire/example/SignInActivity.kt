package dev.tidewire.example

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.EditText
import android.widget.TextView
import dev.tidewire.TidewireException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch
import java.io.IOException
import java.security.GeneralSecurityException

/** Who is it? Passed over if somebody is signed in. */
class SignInActivity : Activity() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    private val app get() = application as ExampleApp

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.sign_in)
        findViewById<View>(R.id.sign_in).setOnClickListener {
            open { app.signIn(field(R.id.server), field(R.id.user), field(R.id.token)) }
        }
        open { app.resume() }
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    private fun field(id: Int): String = findViewById<EditText>(id).text.toString().trim()

    private fun open(session: suspend () -> Session?) {
        val problem = findViewById<TextView>(R.id.problem)
        scope.launch {
            try {
                if (session() == null) return@launch
                startActivity(Intent(this@SignInActivity, RoomsActivity::class.java))
                finish()
            } catch (error: TidewireException) {
                problem.text = error.message
            } catch (error: IOException) {
                problem.text = error.localizedMessage
            } catch (error: GeneralSecurityException) {
                problem.text = error.localizedMessage
            }
        }
    }
}
