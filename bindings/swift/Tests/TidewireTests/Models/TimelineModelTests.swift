import Foundation
import Testing

@testable import Tidewire

@MainActor
@Suite struct TimelineModelTests {
    // scenario: optimistic-send
    @Test func whatIsSentShowsAtOnceAndBecomesSentUnderTheSameId() async throws {
        let pair = try await Pair.meet()
        let model = TimelineModel(pair.client, room: pair.room.id)
        model.start()
        try await shows("the room is open") { model.phase == .open }
        try await pair.world.cut()
        model.draft = "Hello"
        let sending = Task { await model.send() }
        try await shows("it is on its way") {
            model.messages.last.map { $0.text == "Hello" && $0.state == .sending } ?? false
        }
        #expect(await sending.value && model.draft == "" && model.failure == nil)
        let id = try #require(model.messages.last).id
        try await pair.world.mend()
        try await shows("it is sent") { model.messages.last?.state.isSent == true }
        #expect(model.messages.map(\.id) == [id] || model.messages.last?.id == id)
        try await shows("it is delivered") { model.messages.last?.state == .delivered }
        let theirs = TimelineModel(pair.peer, room: pair.room.id)
        theirs.start()
        try await shows("it is there") { theirs.messages.last?.id == id }
        theirs.seen(try #require(theirs.messages.last))
        try await shows("it is read") { model.messages.last?.state == .read }
        try await pair.end()
    }

    // scenario: edit-delete-react
    @Test func whatTheUserDoesWithAMessageShowsAtOnceAndEverywhere() async throws {
        let pair = try await Pair.meet()
        let model = TimelineModel(pair.client, room: pair.room.id)
        model.start()
        let id = try await pair.say("Helo", in: pair.room)
        func message() -> Message? { model.messages.first { $0.id == id } }
        try await shows("it is there") { message() != nil }
        model.draft = "half a thought"
        model.edit(try #require(message()))
        #expect(model.draft == "Helo")
        model.draft = "Hello"
        #expect(await model.send() && model.editing == nil && model.draft == "half a thought")
        try await shows("changed") { message()?.text == "Hello" }
        model.edit(try #require(message()))
        model.cancelEdit()
        #expect(model.draft == "half a thought")
        #expect(await model.toggle("👍", on: try #require(message())))
        try await shows("marked") { message()?.reactions.first?.mine == true }
        #expect(await model.toggle("👍", on: try #require(message())))
        try await shows("not marked") { message()?.reactions.isEmpty == true }
        model.replyingTo = message()
        model.draft = "Indeed"
        #expect(await model.send() && model.replyingTo == nil)
        try await shows("a quote") { model.messages.last?.replyTo?.message?.text == "Hello" }
        #expect(await model.delete(try #require(message())))
        try await shows("gone") { message()?.deleted != nil }
        try await pair.peerTimeline.message(id, "gone for the peer") { $0.deleted != nil }

        let thread = TimelineModel(pair.client, room: pair.room.id, threadOf: model.messages.last!.id)
        thread.start()
        try await shows("its root") { thread.messages.first?.text == "Indeed" }
        thread.draft = "By the way"
        #expect(await thread.send())
        try await shows("in the thread") { thread.messages.last?.text == "By the way" }
        #expect(model.draft == "", "the room's own draft is another one")
        try await pair.end()
    }

    // scenario: draft
    @Test func aDraftIsThereAgainAndDoesNotReplaceWhatIsBeingWritten() async throws {
        let pair = try await Pair.meet()
        let model = TimelineModel(pair.client, room: pair.room.id)
        model.start()
        model.draft = "half a tho"
        model.draft = "half a thought"
        model.stop()
        await model.settled()
        #expect(try await pair.room.draft() == "half a thought")
        let again = TimelineModel(pair.client, room: pair.room.id)
        again.start()
        try await shows("the draft") { again.draft == "half a thought" }
        #expect(await again.send() && again.draft == "")
        await again.settled()
        #expect(try await pair.room.draft() == nil)
        try await pair.room.setDraft("old")
        let newer = TimelineModel(pair.client, room: pair.room.id)
        newer.draft = "new"
        newer.start()
        try await shows("the room is open") { newer.phase == .open }
        await newer.settled()
        #expect(newer.draft == "new")
        #expect(try await pair.room.draft() == "new")
        try await pair.end()
    }

    @Test func whatCanNotBeSentIsInTheFieldAgainAndSaysWhy() async throws {
        let pair = try await Pair.meet()
        let model = TimelineModel(pair.client, room: pair.room.id)
        model.start()
        try await shows("the room is open") { model.phase == .open }
        let much = String(repeating: "x", count: 10_000)
        model.draft = much
        #expect(await !model.send() && model.draft == much)
        guard case .InvalidMessage = model.failure else {
            throw Trouble("not InvalidMessage: \(String(describing: model.failure))")
        }
        model.clearFailure()
        #expect(model.failure == nil)
        #expect(await !TimelineModel(pair.client, room: pair.room.id).send(), "nothing to send")
        try await pair.end()
    }

    @Test func olderMessagesComeAsTheUserScrolls() async throws {
        let pair = try await Pair.meet()
        for number in 1..<120 { try await pair.room.send("\(number)") }
        try await pair.say("120", in: pair.room)
        // A device that has none of it: where they were sent they are all on the screen already.
        let device = try await pair.grace.elsewhere().open(pair.world)
        try await device.knows(pair.room.id)
        let model = TimelineModel(device, room: pair.room.id)
        model.start()
        try await shows("the newest") { model.messages.last?.text == "120" && model.hasOlder }
        let shown = model.rows.count
        #expect(shown < 120)
        // Twice at once is once.
        async let one: Void = model.loadOlder(20)
        async let two: Void = model.loadOlder(20)
        _ = await (one, two)
        try await shows("older ones") { model.rows.count == shown + 20 }
        #expect(!model.isLoadingOlder && model.failure == nil)
        try await device.shutdown()
        try await pair.end()
    }

    @Test func aRoomThatIsNotThereSaysSoAndOpensLater() async throws {
        let (world, ada, grace) = (try await World.new(), Person("ada"), Person("grace"))
        let client = try await ada.open(world)
        try await client.online()
        let room = try await client.directRoom(with: grace.name)
        let stranger = try await Person("joan").open(world)
        let model = TimelineModel(stranger, room: room.id)
        let view = Task { await model.run() }
        try await shows("no such room") { if case .failed = model.phase { true } else { false } }
        model.reopen()
        #expect(model.phase == .opening, "the view still runs it")
        view.cancel()
        await view.value
        let peer = try await grace.open(world)
        let unknown = TimelineModel(peer, room: room.id)
        try await peer.knows(room.id)
        unknown.start()
        unknown.reopen()
        try await shows("open") { unknown.phase == .open }
        for client in [client, stranger, peer] { try await client.shutdown() }
    }

    @Test func sendersHaveTheNamesThatTheyGiveThemselves() async throws {
        let pair = try await Pair.meet()
        try await pair.peer.updateProfile(ProfileUpdate(name: "Grace"))
        let model = TimelineModel(pair.client, room: pair.room.id)
        model.start()
        #expect(model.name(of: pair.grace.name) == pair.grace.name)
        try await pair.theirs.send("Hello")
        try await shows("a name") { model.name(of: pair.grace.name) == "Grace" }
        pair.theirs.typing()
        try await shows("who types") { model.typists == [pair.grace.name] }
        try await pair.end()
    }
}
