import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// What went wrong around a test, in words.
struct Trouble: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// The program that runs the server and the networks, see `TIDEWIRE_STAGE`.
enum Stage {
    /// Asks the stage to do something.
    @discardableResult
    static func post(_ call: String) async throws -> Answer {
        let variable = ProcessInfo.processInfo.environment["TIDEWIRE_STAGE"] ?? ""
        guard let stage = URL(string: variable), stage.scheme == "http" else {
            throw Trouble("""
                TIDEWIRE_STAGE is `\(variable)`. It has to be the address of a running stage, as \
                the program `stage` of tidewire-tests prints it: see bindings/swift/README.md
                """)
        }
        var request = URLRequest(url: URL(string: "\(variable)/\(call)")!)
        request.httpMethod = "POST"
        let (data, response) = try await URLSession.shared.data(for: request)
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        guard status == 200 else {
            throw Trouble("stage: \(call): \(status) \(String(decoding: data, as: UTF8.self))")
        }
        return try JSONDecoder().decode(Answer.self, from: data)
    }

    struct Answer: Decodable {
        let world: Int?
        let url: String?
        let token: String?
        let room: String?
        let sha256: String?
        let roots: String?
    }

    /// The address of a server that speaks TLS, and the authority by which it does, as PEM.
    static func secure() async throws -> (url: String, roots: String) {
        let answer = try await post("secure")
        guard let url = answer.url, let roots = answer.roots else {
            throw Trouble("the stage has no server that speaks TLS")
        }
        return (url, roots)
    }

    /// `from` sends `to` a file of so many bytes in their direct room.
    static func file(
        from: String, to: String, bytes: UInt64
    ) async throws -> (room: String, sha256: String) {
        let answer = try await post("files?from=\(from)&to=\(to)&bytes=\(bytes)")
        guard let room = answer.room, let sha256 = answer.sha256 else {
            throw Trouble("the stage sends no file")
        }
        return (room, sha256)
    }

    static func token(_ user: String, seconds: Int = 3_600) async throws -> String {
        guard let token = try await post("tokens?user=\(user)&seconds=\(seconds)").token else {
            throw Trouble("the stage gives no token")
        }
        return token
    }
}

/// A network of its own in front of the server.
struct World: Sendable {
    let number: Int
    let url: String

    static func new() async throws -> World {
        let answer = try await Stage.post("worlds")
        guard let number = answer.world, let url = answer.url else {
            throw Trouble("the stage gives no world")
        }
        return World(number: number, url: url)
    }

    /// Resets all connections, new ones too.
    func cut() async throws {
        try await Stage.post("worlds/\(number)/cut")
    }

    func mend() async throws {
        try await Stage.post("worlds/\(number)/mend")
    }

    /// Each piece of data takes so long, both ways.
    func delay(ms: Int) async throws {
        try await Stage.post("worlds/\(number)/delay?ms=\(ms)")
    }

    /// Lets HTTP through and no WebSocket; resets what is open.
    func blockSockets() async throws {
        try await Stage.post("worlds/\(number)/block-sockets")
    }

    /// Throws away one answer: the server has done it, the client does not know.
    func loseNextAnswer() async throws {
        try await Stage.post("worlds/\(number)/lose-next-answer")
    }
}
