package dev.tidewire.internal

import dev.tidewire.Profile
import dev.tidewire.ProfileUpdate
import dev.tidewire.RoomCoverage
import dev.tidewire.SearchHit
import dev.tidewire.SearchPage
import dev.tidewire.SearchScope
import dev.tidewire.SearchSource
import dev.tidewire.SnippetPart
import dev.tidewire.ffi.Profile as FfiProfile
import dev.tidewire.ffi.ProfileUpdate as FfiProfileUpdate
import dev.tidewire.ffi.SearchPage as FfiSearchPage
import dev.tidewire.ffi.SearchQuery as FfiSearchQuery
import dev.tidewire.ffi.SearchScope as FfiSearchScope
import dev.tidewire.ffi.SearchSource as FfiSearchSource

// Searches and profiles, between the generated types and those of apps.

internal fun searchQuery(
    text: String,
    scope: SearchScope,
    room: String?,
    sender: String?,
    limit: Int,
    after: String?,
): FfiSearchQuery =
    FfiSearchQuery(
        text = valid("text", text),
        scope =
            when (scope) {
                SearchScope.DEVICE -> FfiSearchScope.DEVICE
                SearchScope.EVERYWHERE -> FfiSearchScope.EVERYWHERE
            },
        room = room?.let { valid("room", it) },
        sender = sender?.let { valid("sender", it) },
        limit = limit.coerceAtLeast(0).toUInt(),
        after = after?.let { valid("after", it) },
    )

internal fun FfiSearchPage.toApi(): SearchPage =
    SearchPage(
        hits =
            hits.map { hit ->
                val snippet = hit.snippet.map { SnippetPart(it.text, it.matched) }
                SearchHit(hit.message.toApi(), snippet)
            },
        next = next,
        complete = complete,
        source =
            when (source) {
                FfiSearchSource.DEVICE -> SearchSource.DEVICE
                FfiSearchSource.SERVER -> SearchSource.SERVER
            },
        coverage =
            coverage.map {
                RoomCoverage(it.room, it.completeFrom?.toLong(), it.complete, it.indexing)
            },
    )

internal fun ProfileUpdate.toFfi(): FfiProfileUpdate =
    FfiProfileUpdate(
        name = name?.let { valid("name", it) },
        avatarUrl = avatarUrl?.let { valid("avatarUrl", it) },
    )

internal fun FfiProfile.toApi(): Profile = Profile(user, name, avatarUrl, updatedAtMs)
