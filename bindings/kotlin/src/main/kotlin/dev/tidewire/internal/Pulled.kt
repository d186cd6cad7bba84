package dev.tidewire.internal

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * What is pulled batch by batch, each building upon those before it, and folded into states. One
 * collector at a time, which may be cancelled at any moment: the next one loses and repeats nothing.
 *
 * @param begin gives what batches are pulled from, or fails if it is closed.
 */
internal class Pulled<Source, Batch : Any, State : Any>(
    empty: State,
    private val number: (Batch) -> Long,
    private val plus: (State, Batch) -> State,
    private val begin: () -> Source,
    private val next: suspend (Source, after: ULong) -> Batch,
) {
    private val turn = Turn()

    /** Guarded by [turn], as is [state]: the number of the last batch that was processed. */
    private var after = 0L
    private var state = empty

    /** First what the collector before was given, if there was one, then each new state. */
    val states: Flow<State> =
        flow {
            collecting(
                onStart = { if (after > 0) emit(state) },
                onBatch = { _, next -> emit(next) },
            )
        }

    /** The batches alone, after the last one that a collector has processed. */
    val batches: Flow<Batch> =
        flow { collecting(onStart = {}, onBatch = { batch, _ -> emit(batch) }) }

    private suspend fun collecting(
        onStart: suspend () -> Unit,
        onBatch: suspend (Batch, State) -> Unit,
    ) {
        turn.take {
            val source = begin()
            onStart()
            while (true) {
                // An answer that is lost to a cancellation comes again: it is asked for by `after`.
                val read =
                    readingOrEnd {
                        val batch = next(source, after.toULong())
                        batch to plus(state, batch)
                    } ?: break
                val (batch, folded) = read
                onBatch(batch, folded)
                // Only now that it has been processed: asking with this number acknowledges it.
                state = folded
                after = number(batch)
            }
        }
    }
}
