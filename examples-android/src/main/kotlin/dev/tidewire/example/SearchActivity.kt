package dev.tidewire.example

import android.graphics.Typeface
import android.os.Bundle
import android.text.Editable
import android.text.SpannableStringBuilder
import android.text.Spanned
import android.text.TextWatcher
import android.text.style.StyleSpan
import android.view.View
import android.widget.AbsListView
import android.widget.EditText
import android.widget.ListView
import android.widget.TextView
import dev.tidewire.SearchHit
import dev.tidewire.model.SearchModel
import dev.tidewire.model.SearchState

/** Looks through all rooms. */
class SearchActivity : Screen() {
    private val rows = Rows(R.layout.room_row, { hit: SearchHit -> hit.message.id }, ::draw)

    override fun build(state: Bundle?) {
        setContentView(R.layout.search)
        val model = SearchModel(session.client, scope)
        val list = findViewById<ListView>(R.id.hits)
        list.adapter = rows
        list.setOnItemClickListener { _, _, position, _ ->
            val message = rows.items[position].message
            startActivity(ChatActivity.intent(this, message.room, message.sender, message.id))
        }
        list.setOnScrollListener(
            object : AbsListView.OnScrollListener {
                override fun onScroll(list: AbsListView, first: Int, count: Int, total: Int) {
                    if (total > 0 && first + count == total) model.loadMore()
                }

                override fun onScrollStateChanged(list: AbsListView, state: Int) = Unit
            },
        )
        findViewById<EditText>(R.id.text).addTextChangedListener(
            object : TextWatcher {
                override fun afterTextChanged(text: Editable) = model.find(text.toString())

                override fun beforeTextChanged(text: CharSequence, at: Int, count: Int, after: Int) = Unit

                override fun onTextChanged(text: CharSequence, at: Int, before: Int, count: Int) = Unit
            },
        )
        show(model.state) { found ->
            rows.items = found.hits
            findViewById<TextView>(R.id.state).text = stateText(found)
        }
    }

    private fun stateText(found: SearchState): String =
        when {
            found.text.isEmpty() -> ""
            found.searching -> getString(R.string.search_looking)
            found.problem != null -> found.problem?.message.orEmpty()
            found.hits.isEmpty() -> getString(R.string.search_nothing)
            !found.complete -> getString(R.string.search_incomplete)
            else -> ""
        }

    private fun draw(view: View, hit: SearchHit) {
        val snippet = SpannableStringBuilder()
        for (part in hit.snippet) {
            val style = if (part.matched) Typeface.BOLD else Typeface.NORMAL
            snippet.append(part.text, StyleSpan(style), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        }
        view.findViewById<TextView>(R.id.name).text = hit.message.sender
        view.findViewById<TextView>(R.id.line).text = snippet
        view.findViewById<TextView>(R.id.unread).visibility = View.GONE
        view.contentDescription = getString(R.string.rooms_last, hit.message.sender, snippet.toString())
    }
}
