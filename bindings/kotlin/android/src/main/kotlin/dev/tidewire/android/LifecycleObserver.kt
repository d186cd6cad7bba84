package dev.tidewire.android

import android.app.Activity
import android.app.Application
import android.os.Bundle
import java.io.Closeable

/** Tells whether somebody looks at the app, from how its activities start and stop. */
internal class LifecycleObserver(
    private val application: Application,
    visible: Boolean,
    private val tell: (Boolean) -> Unit,
) : Application.ActivityLifecycleCallbacks,
    Closeable {
    private val screens = Screens(visible)

    init {
        application.registerActivityLifecycleCallbacks(this)
        tell(screens.visible)
    }

    override fun onActivityStarted(activity: Activity) {
        screens.started(activity)
        tell(screens.visible)
    }

    override fun onActivityStopped(activity: Activity) {
        screens.stopped(activity, activity.isChangingConfigurations)
        tell(screens.visible)
    }

    override fun onActivityCreated(activity: Activity, state: Bundle?) = Unit

    override fun onActivityResumed(activity: Activity) = Unit

    override fun onActivityPaused(activity: Activity) = Unit

    override fun onActivitySaveInstanceState(activity: Activity, state: Bundle) = Unit

    override fun onActivityDestroyed(activity: Activity) = Unit

    override fun close() = application.unregisterActivityLifecycleCallbacks(this)
}
