package dev.tidewire.example

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.provider.OpenableColumns
import dev.tidewire.Attachment
import dev.tidewire.NewFile
import dev.tidewire.TidewireClient
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.File
import java.io.IOException
import java.nio.file.Files

/** Files of other apps: chosen by the user, reached without any permission. */
class Documents(
    private val activity: Activity,
) {
    fun choose(request: Int) {
        val any = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*")
        activity.startActivityForResult(any, request)
    }

    fun create(attachment: Attachment, request: Int) {
        val file =
            Intent(Intent.ACTION_CREATE_DOCUMENT)
                .addCategory(Intent.CATEGORY_OPENABLE)
                .setType(attachment.contentType)
                .putExtra(Intent.EXTRA_TITLE, attachment.name)
        activity.startActivityForResult(file, request)
    }

    /** Gives what the user has chosen as a file, which stays until the system wants the room. */
    suspend fun copied(chosen: Uri, use: (NewFile) -> Unit) {
        val resolver = activity.contentResolver
        val copy =
            withContext(Dispatchers.IO) {
                val copy = File.createTempFile("chosen", null, activity.cacheDir)
                val from = resolver.openInputStream(chosen) ?: throw IOException("$chosen is gone")
                from.use { input -> copy.outputStream().use { input.copyTo(it) } }
                NewFile(copy.path, name = nameOf(chosen), contentType = resolver.getType(chosen))
            }
        use(copy)
    }

    /** Waits for the file for as long as it takes, and writes it where the user has said. */
    suspend fun save(client: TidewireClient, attachment: Attachment, chosen: Uri) {
        val resolver = activity.contentResolver
        client.download(attachment).use { download ->
            download.file().use { file ->
                withContext(Dispatchers.IO) {
                    val to = resolver.openOutputStream(chosen) ?: throw IOException("$chosen can not be written")
                    to.use { Files.copy(file.path, it) }
                }
            }
        }
    }

    private fun nameOf(chosen: Uri): String? =
        activity.contentResolver
            .query(chosen, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)
            ?.use { if (it.moveToFirst()) it.getString(0) else null }
}
