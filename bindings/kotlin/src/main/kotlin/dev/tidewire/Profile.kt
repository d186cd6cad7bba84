package dev.tidewire

/**
 * What a user shows.
 *
 * @property user the user's id.
 * @property name the name to show; null if the user has set none.
 * @property avatarUrl the picture to show.
 * @property updatedAtMs when the user last changed it: ms since 1970-01-01 UTC; 0 if never.
 */
public data class Profile(
    val user: String,
    val name: String?,
    val avatarUrl: String?,
    val updatedAtMs: Long,
)

/**
 * What the user is to show: all of it, so that what is null is not shown any more.
 *
 * @property name the name: at most 256 bytes.
 * @property avatarUrl the picture: at most 1,024 bytes.
 */
public data class ProfileUpdate(
    val name: String? = null,
    val avatarUrl: String? = null,
)
