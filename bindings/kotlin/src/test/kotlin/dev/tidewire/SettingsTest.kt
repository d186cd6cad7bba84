package dev.tidewire

import dev.tidewire.internal.toFfi
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.time.Duration.Companion.seconds

class SettingsTest {
    // scenario: own-authority
    @Test
    fun `chat goes over TLS by an authority of one's own, and by no other`() =
        scene {
            val (url, roots) = Stage.secure()
            val (adas, graces) = listOf(ada, grace).map { settings(it).copy(url = url, rootCertificates = roots) }
            val timeline = open(graces).directRoom(ada).timeline()
            open(adas).directRoom(grace).send("sealed")
            timeline.awaitSent(listOf("sealed"))

            // Whoever does not know the authority has met somebody, and not the server.
            val stranger = open(adas.copy(user = "joan-$ada", rootCertificates = null))
            failure<TidewireException.Network> { stranger.directRoom(grace) }
            val wrong =
                failure<TidewireException.InvalidSetting> { open(adas.copy(rootCertificates = "no PEM")) }
            assertEquals("root_certificates", wrong.setting)
        }

    @Test
    fun `no setting is forgotten on the way to the client`() {
        val all =
            Settings(
                url = "https://chat.example.com",
                user = "ada",
                dataDir = "folder",
                acceptLoss = true,
                inBackground = true,
                maxConcurrentRooms = 1,
                messageBufferTime = 1.seconds,
                presenceHeartbeatInterval = 2.seconds,
                backgroundHeartbeatInterval = 3.seconds,
                pollingInterval = 4.seconds,
                slowPollingInterval = 5.seconds,
                maxMessagesPerRoom = 2,
                cacheTtl = 6.seconds,
                cacheBytes = 3,
                fileCacheBytes = 4,
                memoryBytes = 5,
                spread = 7.seconds,
                outboxCapacity = 6,
                budget = Budget(maxWakeupsPerHour = 7),
                rootCertificates = "PEM",
                record = Recording("file", verbatim = true),
            ).toFfi()
        val forgotten =
            all.javaClass.declaredFields
                .filterNot { java.lang.reflect.Modifier.isStatic(it.modifiers) }
                .onEach { it.isAccessible = true }
                .filter { it.get(all) == null || it.get(all) == false }
                .map { it.name }
        assertEquals(emptyList(), forgotten)
    }
}
