package dev.tidewire

import org.junit.jupiter.api.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull

/** What is told those who keep order. */
class ReportsTest {
    // scenario: report
    @Test
    fun `a report keeps what was said and is seen by those who keep order alone`() =
        scene {
            val client = open(ada)
            val peer = open(grace)
            val group = client.createGroup("Tea", listOf(grace))
            val list = peer.roomList()
            val said = group.send("rubbish")
            list.awaitRow(group, "the message") { it.lastMessage?.id == said }
            val theirs = peer.room(group.id)
            repeat(2) { theirs.report(said, ReportReason.ABUSE, "rude") }
            theirs.reportUser(ada, ReportReason.SPAM)
            val refused = failure<TidewireException.Refused> { theirs.reports() }
            assertEquals("forbidden", refused.code)
            group.edit(said, "roses")
            group.delete(said)
            val page = group.reports()
            assertEquals(listOf(ReportReason.ABUSE, ReportReason.SPAM), page.reports.map { it.reason })
            assertNull(page.next)
            val first = page.reports.first()
            assertEquals(Triple(grace, ada, "rude"), Triple(first.by, first.user, first.note))
            assertEquals("rubbish", first.message?.text)
            assertNull(first.resolvedBy)
            assertNull(page.reports[1].message)
            assertEquals(ada, group.resolveReport(first.id).resolvedBy)
            assertEquals(1, group.reports().reports.size)
            assertEquals(2, group.reports(all = true).reports.size)
            peer.goOffline()
            failure<TidewireException.Offline> { theirs.report(said, ReportReason.OTHER) }
        }
}
