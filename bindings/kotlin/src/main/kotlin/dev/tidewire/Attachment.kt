package dev.tidewire

/**
 * A file of a message. All of it is its sender's word but [key], [name], [contentType], [size] and
 * [sha256]. [TidewireClient.download] gets it.
 *
 * @property id the upload that brought it.
 * @property key where it is got from: the same key is the same bytes, always.
 * @property name its name: 1 to 255 bytes, without anything that could mislead.
 * @property contentType its media type, for example `image/jpeg`.
 * @property size how many bytes it has.
 * @property sha256 the SHA-256 of its bytes, in hexadecimal digits.
 * @property width the width of a picture or video in pixels, as it is shown.
 * @property height the height in pixels.
 * @property durationMs how long it plays.
 * @property preview what is shown until the file is there.
 */
public data class Attachment(
    val id: String,
    val key: String,
    val name: String,
    val contentType: String,
    val size: Long,
    val sha256: String,
    val width: Int? = null,
    val height: Int? = null,
    val durationMs: Long? = null,
    val preview: Preview? = null,
)

/**
 * A tiny stand-in for a picture.
 *
 * @property format what [data] is: `thumbhash`, or the subtype of a picture's media type (`webp`,
 *   `jpeg`). What is not known is passed over.
 * @property data the bytes as Base64.
 */
public data class Preview(
    val format: String,
    val data: String,
)
