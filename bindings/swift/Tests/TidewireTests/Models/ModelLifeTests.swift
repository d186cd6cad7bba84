import Testing

@testable import Tidewire

/// That models end with their owners.
@MainActor
@Suite struct ModelLifeTests {
    @Test func aModelThatNobodyHoldsIsGoneAndWhatItOpenedIsClosed() async throws {
        let pair = try await Pair.meet()
        try await pair.say("Hello", in: pair.room)
        pair.timeline.close()
        var timeline: TimelineModel? = TimelineModel(pair.client, room: pair.room.id)
        var list: RoomListModel? = RoomListModel(pair.client)
        var status: ClientStatus? = ClientStatus(pair.client)
        var search: SearchModel? = SearchModel(pair.client)
        timeline?.start()
        list?.start()
        status?.start()
        search?.start()
        search?.text = "Hello"
        try await shows("all of it") { [timeline, list, status, search] in
            timeline?.messages.isEmpty == false && list?.isLoaded == true && status?.unread != nil
                && search?.hits.isEmpty == false
        }
        #expect(try await pair.client.cacheReport().messagesInMemory > 0)
        let held = [Held(timeline), Held(list), Held(status), Held(search)]
        (timeline, list, status, search) = (nil, nil, nil, nil)
        try await within("nothing is held any more") { @MainActor in
            while held.contains(where: { $0.model != nil }) { await Task.yield() }
            while try await pair.client.cacheReport().messagesInMemory > 0 { await Task.yield() }
        }
        try await pair.end()
    }

    @Test func aTaskThatRunsAModelEndsWithTheView() async throws {
        let pair = try await Pair.meet()
        try await pair.say("Hello", in: pair.room)
        pair.timeline.close()
        let model = TimelineModel(pair.client, room: pair.room.id)
        let view = Task { await model.run() }
        try await shows("the message") { model.rows.texts == ["Hello"] }
        view.cancel()
        try await within("the view's task ends") { await view.value }
        #expect(model.rows.texts == ["Hello"], "what was shown stays")
        try await within("the timeline is closed") {
            while try await pair.client.cacheReport().messagesInMemory > 0 { await Task.yield() }
        }
        // The view comes back; two of it at once are one.
        let again = [Task { await model.run() }, Task { await model.run() }]
        try await pair.theirs.send("Welcome back")
        try await shows("what is new") { model.messages.last?.text == "Welcome back" }
        // And it ends with the client.
        try await pair.client.shutdown()
        try await within("the runs end") { for task in again { await task.value } }
        #expect(model.failure == nil && model.phase == .open)
        model.start()
        model.stop()
        model.stop()
        try await pair.peer.shutdown()
    }

    @Test func modelsTellThoseWhoDoNotKnowObservationOfEveryChange() async throws {
        let client = try await TidewireClient.open(Settings(url: "https://chat.example.com", user: "ada")) {
            throw TokenProviderError.Unavailable(reason: "offline")
        }
        let model = TimelineModel(client, room: "01890000-0000-7000-8000-000000000000")
        let before = model.version
        model.draft = "a"
        #expect(model.version == before + 1)
        model.draft = "a"
        #expect(model.version == before + 1, "nothing has changed")
        model.draft = "ab"
        #expect(model.version == before + 2)
        try await client.shutdown()
    }
}

/// What a test looks at without holding it.
@MainActor
private final class Held {
    weak var model: ScreenModel?

    init(_ model: ScreenModel?) {
        self.model = model
    }
}
