import Foundation
import Tidewire

/// Opens and closes clients, and cancels calls, by the thousand, in a process of its own: what it has in
/// memory, in threads and in open files is nobody else's. `EnduranceTests` runs it and reads what it prints.
///
///     endurance URL USER TOKEN FOLDER CLIENTS CALLS
@main
struct Endurance {
    static func main() async throws {
        let words = CommandLine.arguments
        guard words.count == 7, let clients = Int(words[5]), let calls = Int(words[6]) else {
            print("endurance URL USER TOKEN FOLDER CLIENTS CALLS")
            exit(2)
        }
        let settings = Settings(url: words[1], user: words[2], dataDir: words[4])
        let token = words[3]
        // What is made once, like threads and pools, is there after the first tenth.
        try await open(clients / 10, settings, token)
        print("clients before", Use.now())
        try await open(clients, settings, token)
        print("clients after", Use.now())

        let client = try await TidewireClient.open(settings) { token }
        _ = try await mode(of: client)
        let room = try await client.createGroup(name: "Endurance", members: [])
        try await cancel(calls / 10, client, room)
        print("calls before", Use.now())
        try await cancel(calls, client, room)
        print("calls after", Use.now())
        // It still works.
        let id = try await room.send("the end")
        for try await rows in try await room.timeline().rows
        where rows.compactMap(\.message).contains(where: { $0.id == id && $0.state.isSent }) {
            break
        }
        try await client.shutdown()
        print("works")
    }

    private static func open(_ count: Int, _ settings: Settings, _ token: String) async throws {
        for number in 0..<count {
            let client = try await TidewireClient.open(settings) { token }
            // Some have only begun, some are online, some are closed with loops that run.
            let loop = Task {
                for try await _ in client.modes {}
                for try await _ in client.events {}
            }
            if number % 2 == 0 { _ = try await mode(of: client) }
            if number % 3 == 0 { _ = try await client.roomList() }
            try await client.shutdown()
            _ = await loop.result
        }
    }

    private static func mode(of client: TidewireClient) async throws -> ModeReport? {
        for try await report in client.modes where report.mode != .offline { return report }
        return nil
    }

    /// Calls of every kind, each cancelled at another moment.
    private static func cancel(_ count: Int, _ client: TidewireClient, _ room: Room) async throws {
        let timeline = try await room.timeline()
        for number in 0..<count {
            let call = Task {
                switch number % 6 {
                case 0: _ = try await room.members()
                case 1: _ = try await client.search("endurance", scope: .everywhere)
                case 2: for try await _ in timeline.rows {}
                case 3: for try await _ in client.events {}
                case 4: _ = try await room.timeline()
                default: _ = try await timeline.loadOlder()
                }
            }
            for _ in 0..<(number % 7) { await Task.yield() }
            call.cancel()
            _ = await call.result
        }
        timeline.close()
    }
}

/// What a process has in use.
private enum Use {
    /// Bytes in memory, threads, open files; zeros where there is no `/proc`.
    static func now() -> String {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        func number(_ name: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
            return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
        }
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        return "\(number("VmRSS") * 1_024) \(number("Threads")) \(files)"
    }
}
