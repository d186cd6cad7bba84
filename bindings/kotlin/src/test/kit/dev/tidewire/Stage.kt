package dev.tidewire

import java.net.URI
import java.net.URLEncoder
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse

/** A real server, and networks that fail when told to: the program `stage` of `tidewire-tests`. */
internal object Stage {
    private val http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()

    /** A network of its own. */
    fun world(): World {
        val answer = post("/worlds")
        return World(number("world", answer), text("url", answer))
    }

    /** A token that is valid for so long; below 0 it has ended already. */
    fun token(user: String, seconds: Int = 3_600): String {
        val name = URLEncoder.encode(user, Charsets.UTF_8)
        return text("token", post("/tokens?user=$name&seconds=$seconds"))
    }

    /** [from] sends [to] a file of so many bytes in their direct room. Gives the room and the SHA-256. */
    fun file(from: String, to: String, bytes: Int): Pair<String, String> {
        fun name(user: String) = URLEncoder.encode(user, Charsets.UTF_8)
        val answer = post("/files?from=${name(from)}&to=${name(to)}&bytes=$bytes")
        return text("room", answer) to text("sha256", answer)
    }

    /** The address of a server that speaks TLS, and the authority by which it does, as PEM. */
    fun secure(): Pair<String, String> {
        val answer = post("/secure")
        return text("url", answer) to text("roots", answer).replace("\\n", "\n")
    }

    internal fun post(path: String): String {
        val control =
            System.getenv("TIDEWIRE_STAGE") ?: error(
                "TIDEWIRE_STAGE is not set. It has to be the address of a running stage: " +
                    "`cargo xtask test` starts one, and README.md says how to do it by hand",
            )
        val request =
            HttpRequest.newBuilder(URI(control + path)).POST(HttpRequest.BodyPublishers.noBody())
        val answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString())
        check(answer.statusCode() < 400) { "POST $path: ${answer.statusCode()} ${answer.body()}" }
        return answer.body()
    }

    private fun text(key: String, json: String): String =
        Regex("\"$key\":\"([^\"]*)\"").find(json)?.groupValues?.get(1) ?: error("no `$key` in $json")

    private fun number(key: String, json: String): Int =
        Regex("\"$key\":(\\d+)").find(json)?.groupValues?.get(1)?.toInt() ?: error("no `$key` in $json")
}

/** A network between clients and the server. */
internal class World(
    private val number: Int,
    /** The server, by way of this network. */
    val url: String,
) {
    /** Resets all connections, new ones too; returns when none is left. */
    fun cut() = tell("cut")

    /** Ends whatever is wrong. */
    fun mend() = tell("mend")

    /** Lets HTTP through and no WebSocket; resets what is open. */
    fun blockSockets() = tell("block-sockets")

    /** Throws away one answer. */
    fun loseNextAnswer() = tell("lose-next-answer")

    /** Each piece of data takes so many ms, both ways. */
    fun delay(ms: Int) = tell("delay?ms=$ms")

    private fun tell(what: String) {
        Stage.post("/worlds/$number/$what")
    }
}
