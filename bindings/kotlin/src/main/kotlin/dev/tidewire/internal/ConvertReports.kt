package dev.tidewire.internal

import dev.tidewire.Report
import dev.tidewire.ReportPage
import dev.tidewire.ReportReason
import dev.tidewire.ffi.Report as FfiReport
import dev.tidewire.ffi.ReportPage as FfiReportPage
import dev.tidewire.ffi.ReportReason as FfiReportReason

// Reports, between the generated types and those of apps.

internal fun FfiReportPage.toApi(): ReportPage = ReportPage(reports.map { it.toApi() }, next)

internal fun FfiReport.toApi(): Report =
    Report(
        id = id,
        by = by,
        atMs = atMs,
        user = user,
        message = message?.toApi(),
        reason = reason.toApi(),
        note = note,
        resolvedBy = resolvedBy,
        resolvedAtMs = resolvedAtMs,
    )

private fun FfiReportReason.toApi(): ReportReason =
    when (this) {
        FfiReportReason.SPAM -> ReportReason.SPAM
        FfiReportReason.ABUSE -> ReportReason.ABUSE
        FfiReportReason.ILLEGAL -> ReportReason.ILLEGAL
        FfiReportReason.IMPERSONATION -> ReportReason.IMPERSONATION
        FfiReportReason.OTHER -> ReportReason.OTHER
    }

internal fun ReportReason.toFfi(): FfiReportReason =
    when (this) {
        ReportReason.SPAM -> FfiReportReason.SPAM
        ReportReason.ABUSE -> FfiReportReason.ABUSE
        ReportReason.ILLEGAL -> FfiReportReason.ILLEGAL
        ReportReason.IMPERSONATION -> FfiReportReason.IMPERSONATION
        ReportReason.OTHER -> FfiReportReason.OTHER
    }
