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

/**
 * A file that is to be sent. Only [path] has to be told.
 *
 * @property path where it is. It is copied before anything else happens: what becomes of it afterwards does
 *   not matter.
 * @property name the name that others see: that of the path unless told. What may not be in a name becomes `_`.
 * @property contentType its media type, for example `image/jpeg`: guessed from the extension of its name unless
 *   told.
 * @property width the width of a picture or video in pixels, as it is shown.
 * @property height the height in pixels.
 * @property durationMs how long it plays.
 * @property preview what others see until they have the file: at most 1 KiB.
 */
public data class NewFile(
    val path: String,
    val name: String? = null,
    val contentType: String? = null,
    val width: Int? = null,
    val height: Int? = null,
    val durationMs: Long? = null,
    val preview: Preview? = null,
)

/**
 * A file of a message that waits for its upload.
 *
 * @property id its upload.
 * @property name its name, as others will see it.
 * @property contentType its media type.
 * @property size how many bytes it has.
 * @property sent how many of them are uploaded or on their way. At most five times a second another number.
 * @property uploaded whether all of it is there, and was checked.
 * @property path where the client's copy is: to be shown, never to be changed. It goes once the message is in the
 *   log.
 * @property width the width of a picture or video in pixels.
 * @property height the height in pixels.
 * @property durationMs how long it plays.
 * @property preview what is shown until the file is there.
 */
public data class OutgoingFile(
    val id: String,
    val name: String,
    val contentType: String,
    val size: Long,
    val sent: Long,
    val uploaded: Boolean,
    val path: String,
    val width: Int? = null,
    val height: Int? = null,
    val durationMs: Long? = null,
    val preview: Preview? = null,
)
