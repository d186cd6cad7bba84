// snippet: first-program
import Tidewire

func chat(server: String, token: String, folder: String) async throws {
    let settings = Settings(url: server, user: "ada", dataDir: folder)
    let client = try await TidewireClient.open(settings) { token }
    let room = try await client.directRoom(with: "grace")
    try await room.send("Hello, Grace")

    for try await rows in try await room.timeline().rows {
        for message in rows.compactMap(\.message) {
            print("\(message.sender): \(message.text ?? message.kind), \(message.state)")
        }
    }
}
// end snippet
