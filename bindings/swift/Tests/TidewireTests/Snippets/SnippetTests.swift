import Foundation
import Testing

@testable import Tidewire

/// That the programs in the texts are those that are compiled and run here.
struct SnippetTests {
    @Test func thePagesShowWhatIsCompiled() throws {
        let snippets = try snippets()
        var shown: Set<String> = []
        for page in ["README.md", "docs/swift.md", "bindings/swift/README.md"] {
            for block in try blocks(of: page) {
                let name = snippets.first { $0.value == block }?.key
                #expect(name != nil, "\(page): no test compiles this:\n\(block)")
                if let name { shown.insert(name) }
            }
        }
        #expect(Set(snippets.keys).subtracting(shown) == [], "shown nowhere")
    }

    @Test func theFirstProgramIsInTheReadmeAndShort() throws {
        let program = try #require(snippets()["first-program"])
        #expect(try blocks(of: "README.md") == [program])
        #expect(program.split(separator: "\n", omittingEmptySubsequences: false).count <= 20)
    }

    @Test func theFirstProgramRuns() async throws {
        let world = try await World.new()
        let folder = Person("first").folder
        let token = try await Stage.token("ada")
        let program = Task { try await chat(server: world.url, token: token, folder: folder) }

        let grace = try await TidewireClient.open(Settings(url: world.url, user: "grace")) {
            try await Stage.token("grace")
        }
        let direct = try await grace.directRoom(with: "ada")
        let rows = try await direct.timeline().rows("ada's hello") { $0.texts.contains("Hello, Grace") }
        #expect(rows.messages.last?.sender == "ada")
        program.cancel()
        try await within("the program ends") {
            // It may still have been on the way to its timeline.
            do { try await program.value } catch is CancellationError {}
        }
        try await grace.shutdown()
    }

    @Test func theGuidesProgramsRun() async throws {
        let world = try await World.new()
        let (ada, grace) = (Person("ada"), Person("grace"))
        let client = try await open(folder: ada.folder, server: world.url, user: ada.name)
        let signedIn = Task { try await listen(client) { _ in } }
        let watching = Task { try await watch(client) }
        let room = try await rooms(of: client, peer: grace.name)
        #expect(try await findRoom(with: grace.name, client) != nil)
        let shown = Locked<[TimelineRow]>([])
        let showing = Task { try await follow(room) { rows in shown.withLock { $0 = rows } } }
        try await send("Hello", to: room)
        let timeline = try await room.timeline()
        let rows = try await timeline.rows("it is sent") { $0.messages.last?.state.isSent == true }
        #expect(rows.messages.last.map(label(of:)) == "sent")
        try await loadWhatIsMissing(in: timeline, shown: rows)
        let hello = try #require(rows.messages.last)
        for choice in ["like", "unlike", "like", "correct", "quote", "aside"] {
            try await chosen(choice, for: hello, in: room)
        }
        let changed = try await timeline.message(hello.id, "changed") {
            $0.replies != nil && !$0.changing
        }
        #expect(details(of: changed) == ["(edited)", "👍 1 with mine", "1 in its thread"])
        try await timeline.rows("a quote") { rows in
            rows.messages.last.map(details(of:))?.contains("> Hello, I mean") == true
        }
        let last = try await timeline.rows("the quote") { $0.messages.last?.replyTo != nil }
        let quote = try #require(last.messages.last?.replyTo)
        let quoted = try await openQuoted(quote, in: room)
        try await quoted.message(hello.id, "what is quoted") { $0.text == "Hello, I mean" }
        try await scrolledDown(in: quoted)
        let thread = try await openThread(of: hello, in: room)
        try await thread.rows("the thread") { $0.texts == ["Hello, I mean", "By the way"] }
        try await share(latitude: 1.5, longitude: 2.5, in: room)
        try await timeline.rows("the place") { $0.messages.last?.contentJson == "[1.5,2.5]" }
        let reading = Task { try await showUnread(of: room) }
        try await chosen("remove", for: hello, in: room)
        let gone = try await timeline.message(hello.id, "gone") { $0.deleted?.seq != nil }
        #expect(details(of: gone).contains("(deleted)"))
        try await seen(gone, in: room)
        let list = await listScreen(client)
        let counting = Task { try await badge(client) }
        try await shows("the list has the group") { list.rows.contains { $0.room == room.id } }
        #expect(await list.rows.map(line(of:)).contains { $0.hasPrefix("Tea: ") })
        let status = await ClientStatus(client)
        await status.start()
        #expect(await statusBar(of: status).contains(": "))
        #expect(await noticeBar(of: status) == nil)
        try await swiped(room)
        try await leftScreen(room, written: "half a tho")
        #expect(try await enteredScreen(room) == "half a tho")
        let found = try await typed("ind", client)
        #expect(found.hits.map(line(of:)) == ["[Indeed]"])
        #expect(try await paused("ind", found, client).hits.count == 1)
        try await rename("Ada", client)
        let naming = Task { try await names(of: [ada.name, grace.name], client) }
        let party = try await client.createGroup(name: "Party", members: [])
        try await invite([grace.name], to: party)
        try await report(client)
        let heading = Task { try await header(of: room, with: grace.name, client) }
        let footing = Task { try await footer(of: room) }
        textChanged(in: room)
        try await within("it is followed") {
            while shown.withLock({ $0.texts }) != ["Indeed"] { await Task.yield() }
        }
        let model = await show(party, of: client)
        try await shows("what was sent") { model.messages.last?.text == "Hello" }
        await scrolled(to: model.rows[0], in: model)
        let printing = Task { try await printed() }

        try await sceneChanged(isInFront: false, client)
        _ = try await first("behind", in: client.modes) { $0.reason == .app(state: .background) }
        networkChanged(isExpensive: true, isConstrained: true, client)
        try await sceneChanged(isInFront: true, client)
        _ = try await first("saving data", in: client.modes) { $0.reason == .dataSaver }
        try await aboutToBeSuspended(client)
        _ = try await first("asleep", in: client.modes) { $0.mode == .offline }
        #expect(try await backgroundRefresh(client))
        try await sceneChanged(isInFront: true, client)
        client.setNetwork(Network(kind: .none))
        #expect(try await findRoom(with: grace.name, client) == nil)

        try await signOut(client) { _ in true }
        try await within("the loops end") {
            // It may be asking for the rooms at that moment.
            do { try await signedIn.value } catch TidewireError.Closed {}
            try await watching.value
            for loop in [heading, footing, counting, naming, reading, showing] {
                do { try await loop.value } catch TidewireError.Closed {}
            }
        }
        #expect(await model.failure == nil)
        printing.cancel()
        try await within("the logs end") { try await printing.value }
        let again = try await open(folder: ada.folder, server: world.url, user: ada.name)
        try await quit(again)
    }

    /// The marked parts of the files beside this one, by name.
    private func snippets() throws -> [String: String] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        var snippets: [String: String] = [:]
        for file in ["FirstProgram.swift", "GuideSnippets.swift"] {
            let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
            var name: String?
            var lines: [Substring] = []
            for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                if line.hasPrefix("// snippet: ") {
                    name = String(line.dropFirst("// snippet: ".count))
                } else if line == "// end snippet", let ended = name {
                    snippets[ended] = lines.joined(separator: "\n")
                    (name, lines) = (nil, [])
                } else if name != nil {
                    lines.append(line)
                }
            }
        }
        return snippets
    }

    /// The Swift blocks of a page.
    private func blocks(of page: String) throws -> [String] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let file = tests.appendingPathComponent("../../../../..").appendingPathComponent(page)
        var blocks: [String] = []
        var block: [Substring]?
        let text = try String(contentsOf: file.standardized, encoding: .utf8)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```swift" {
                block = []
            } else if line == "```", let lines = block {
                blocks.append(lines.joined(separator: "\n"))
                block = nil
            } else {
                block?.append(line)
            }
        }
        return blocks
    }
}
