package dev.tidewire.example

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.BaseAdapter

/** The rows of a list, each of which is for life what [key] says of it. */
class Rows<T>(
    private val layout: Int,
    private val key: (T) -> Any,
    private val draw: (View, T) -> Unit,
) : BaseAdapter() {
    private val ids = HashMap<Any, Long>()

    /** What is shown, from top to bottom. */
    var items: List<T> = emptyList()
        set(value) {
            field = value
            notifyDataSetChanged()
        }

    override fun getCount(): Int = items.size

    override fun getItem(position: Int): T = items[position]

    override fun getItemId(position: Int): Long = ids.getOrPut(key(items[position])) { ids.size.toLong() }

    override fun hasStableIds(): Boolean = true

    override fun getView(position: Int, old: View?, parent: ViewGroup): View {
        val view = old ?: LayoutInflater.from(parent.context).inflate(layout, parent, false)
        draw(view, items[position])
        return view
    }
}
