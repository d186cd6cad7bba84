package dev.tidewire.android

import kotlin.test.Test
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class ScreensTest {
    @Test
    fun `an app is seen as long as one of its activities is started`() {
        val screens = Screens(visible = false)
        assertFalse(screens.visible)
        screens.started("list")
        // The next one starts before the last one stops.
        screens.started("chat")
        screens.stopped("list", changing = false)
        assertTrue(screens.visible)
        screens.stopped("chat", changing = false)
        assertFalse(screens.visible)
    }

    @Test
    fun `a device that is turned hides nothing`() {
        val screens = Screens(visible = false)
        screens.started("chat")
        screens.stopped("chat", changing = true)
        assertTrue(screens.visible, "it comes back at once")
        screens.started("chat, made anew")
        screens.stopped("chat, made anew", changing = false)
        assertFalse(screens.visible)
    }

    @Test
    fun `an activity from before anybody counted counts until it stops`() {
        val screens = Screens(visible = true)
        assertTrue(screens.visible)
        screens.started("chat")
        screens.stopped("list, from before", changing = false)
        assertTrue(screens.visible)
        screens.stopped("chat", changing = false)
        assertFalse(screens.visible)
        val turned = Screens(visible = true)
        turned.stopped("list, from before", changing = true)
        assertTrue(turned.visible)
        turned.started("list, made anew")
        turned.stopped("list, made anew", changing = false)
        assertFalse(turned.visible)
    }
}
