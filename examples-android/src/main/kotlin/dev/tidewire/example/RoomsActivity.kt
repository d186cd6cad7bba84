package dev.tidewire.example

import android.app.AlertDialog
import android.content.Intent
import android.os.Bundle
import android.view.Menu
import android.view.MenuItem
import android.view.View
import android.widget.AbsListView
import android.widget.EditText
import android.widget.ListView
import android.widget.TextView
import android.widget.Toast
import dev.tidewire.Logout
import dev.tidewire.RoomListRow
import dev.tidewire.TidewireException
import dev.tidewire.model.RoomListModel
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.launch

/** The list of rooms. */
class RoomsActivity : Screen() {
    private val rows = Rows(R.layout.room_row, RoomListRow::room, ::draw)

    override fun build(state: Bundle?) {
        setContentView(R.layout.rooms)
        val model = RoomListModel(session.client, scope)
        val list = findViewById<ListView>(R.id.rooms)
        list.emptyView = findViewById(R.id.empty)
        list.adapter = rows
        list.setOnItemClickListener { _, _, position, _ -> openChat(rows.items[position]) }
        var first = 0
        list.setOnScrollListener(
            object : AbsListView.OnScrollListener {
                override fun onScroll(list: AbsListView, at: Int, count: Int, total: Int) =
                    model.setVisible(first + at, count)

                override fun onScrollStateChanged(list: AbsListView, state: Int) = Unit
            },
        )
        show(model.state) { shown ->
            first = shown.first
            rows.items = shown.rows
        }
        show(model.problem.filterNotNull()) { problem ->
            tell(problem)
            model.settle()
        }
    }

    override fun onCreateOptionsMenu(menu: Menu): Boolean {
        menuInflater.inflate(R.menu.rooms, menu)
        return true
    }

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        when (item.itemId) {
            R.id.search -> startActivity(Intent(this, SearchActivity::class.java))
            R.id.new_chat -> askForPeer()
            R.id.sign_out -> signOut(Logout.KEEP)
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    private fun draw(view: View, row: RoomListRow) {
        val name = roomName(resources, row)
        val line = roomLine(resources, row)
        val count = row.unread.messages.toInt()
        view.findViewById<TextView>(R.id.name).text = name
        view.findViewById<TextView>(R.id.line).text = line
        view.findViewById<TextView>(R.id.unread).apply {
            text = "%d".format(count)
            visibility = if (count > 0) View.VISIBLE else View.GONE
        }
        val unread = resources.getQuantityString(R.plurals.rooms_unread, count, count)
        view.contentDescription = getString(R.string.rooms_row_described, name, line, unread)
    }

    private fun openChat(row: RoomListRow) = openChat(row.room, roomName(resources, row))

    private fun openChat(room: String, name: String) = startActivity(ChatActivity.intent(this, room, name))

    private fun askForPeer() {
        val peer = EditText(this).apply { hint = getString(R.string.rooms_new_peer) }
        AlertDialog
            .Builder(this)
            .setTitle(R.string.rooms_new)
            .setView(peer)
            .setNegativeButton(android.R.string.cancel, null)
            .setPositiveButton(android.R.string.ok) { _, _ -> begin(peer.text.toString().trim()) }
            .show()
    }

    private fun begin(peer: String) {
        scope.launch {
            try {
                openChat(session.client.directRoom(peer).id, peer)
            } catch (error: TidewireException) {
                tell(error)
            }
        }
    }

    private fun signOut(logout: Logout) {
        scope.launch {
            try {
                (application as ExampleApp).signOut(logout)
                startActivity(Intent(this@RoomsActivity, SignInActivity::class.java))
                finish()
            } catch (waiting: TidewireException.PendingSends) {
                askToDiscard(waiting.pending.toInt())
            } catch (error: TidewireException) {
                tell(error)
            }
        }
    }

    private fun askToDiscard(pending: Int) {
        AlertDialog
            .Builder(this)
            .setMessage(resources.getQuantityString(R.plurals.sign_out_pending, pending, pending))
            .setNegativeButton(R.string.sign_out_keep, null)
            .setPositiveButton(R.string.sign_out_discard) { _, _ -> signOut(Logout.DISCARD) }
            .show()
    }

    private fun tell(problem: TidewireException) = Toast.makeText(this, problem.message, Toast.LENGTH_LONG).show()
}
