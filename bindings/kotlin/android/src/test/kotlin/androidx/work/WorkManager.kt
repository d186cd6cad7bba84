package androidx.work

import android.content.Context

// WorkManager is not on Maven Central. The example of the guide is compiled against these declarations, which
// say of its interface what the example uses; nothing here is ever run.

class WorkerParameters

abstract class ListenableWorker(val applicationContext: Context) {
    sealed class Result {
        companion object {
            fun success(): Result = error("only declared")

            fun retry(): Result = error("only declared")

            fun failure(): Result = error("only declared")
        }
    }
}

@Suppress("UNUSED_PARAMETER")
abstract class CoroutineWorker(context: Context, parameters: WorkerParameters) : ListenableWorker(context) {
    abstract suspend fun doWork(): Result
}
