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
        // Also one that has begun anew meanwhile.
        let list = RoomListModel(pair.client)
        let listView = Task { await list.run() }
        try await shows("the rooms") { list.rows.count == 1 }
        list.nameContains = "nobody is called so"
        try await shows("no room") { list.rows.isEmpty }
        list.nameContains = ""
        try await shows("all rooms") { list.rows.count == 1 && list.isRunning }
        listView.cancel()
        try await within("the list's task ends") { await listView.value }
        #expect(!list.isRunning)
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

    @Test func aScreenThatComesUpWhileTheClientSleepsOpensOnceItIsAwake() async throws {
        let pair = try await Pair.meet()
        try await pair.say("Hello", in: pair.room)
        try await pair.client.setAppState(.suspended)
        let list = RoomListModel(pair.client)
        let chat = TimelineModel(pair.client, room: pair.room.id)
        list.start()
        chat.start()
        for _ in 0..<1_000 { await Task.yield() }
        try await pair.client.setAppState(.foreground)
        try await shows("the rooms") { list.rows.count == 1 }
        try await shows("the messages") { chat.rows.texts == ["Hello"] }
        #expect(list.failure == nil && chat.phase == .open)
        try await pair.end()
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
