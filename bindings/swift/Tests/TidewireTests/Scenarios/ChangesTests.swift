import Testing

@testable import Tidewire

/// What is done to a message that is there.
@Suite struct ChangesTests {
    // scenario: edit-delete-react
    @Test func anEditShowsAtOnceAndReachesTheOthers() async throws {
        let pair = try await Pair.meet()
        let id = try await pair.say("Helo", in: pair.room)
        pair.client.setNetwork(Network(kind: .none))
        try await pair.room.edit(id, "Hello")
        let shown = try await pair.timeline.message(id, "at once") { $0.text == "Hello" }
        #expect(shown.changing && shown.edited != nil && shown.edited?.seq == nil)
        pair.client.setNetwork(Network(kind: .wifi))
        for timeline in [pair.timeline, pair.peerTimeline] {
            let edited = try await timeline.message(id, "edited") { $0.text == "Hello" && !$0.changing }
            #expect(edited.edited?.seq != nil)
        }
        #expect(try await pair.peerTimeline.texts(1) == ["Hello"], "one message, not two")
        await fails(with: .NotYours(id: id)) { try await pair.theirs.edit(id, "mine") }

        // A message that nobody has seen yet is changed where it waits.
        pair.client.setNetwork(Network(kind: .none))
        let waiting = try await pair.room.send("whole")
        try await pair.room.edit(
            waiting, OutgoingMessage(text: "whale", mentions: [pair.grace.name]))
        pair.client.setNetwork(Network(kind: .wifi))
        let whale = try await pair.peerTimeline.message(waiting, "changed") { $0.text == "whale" }
        #expect(whale.mentions == [pair.grace.name] && whale.edited == nil)
        try await pair.end()
    }

    // scenario: edit-delete-react
    @Test func whatIsDeletedIsGoneForAllAndAnOwnerMayDeleteAnybodys() async throws {
        let pair = try await Pair.meet()
        let group = try await pair.client.createGroup(name: "Tea", members: [pair.grace.name])
        try await pair.peer.knows(group.id)
        let theirs = pair.peer.room(group.id)
        let timelines = [try await group.timeline(), try await theirs.timeline()]
        let own = try await group.send("a secret")
        try await timelines[1].message(own, "it is there") { $0.text == "a secret" }
        let other = try await theirs.send("a rude word")
        try await timelines[0].message(other, "it is there") { $0.text == "a rude word" }
        await fails(with: .NotYours(id: own)) { try await theirs.delete(own) }
        try await group.delete(own)
        try await group.delete(other)
        for timeline in timelines {
            for id in [own, other] {
                let gone = try await timeline.message(id, "gone") { $0.deleted?.seq != nil }
                #expect(gone.text == nil && gone.contentJson == nil && gone.edited == nil)
            }
        }
        await fails(with: .MessageDeleted(id: own)) { try await group.edit(own, "no") }
        await fails(with: .MessageDeleted(id: own)) { try await group.react("👍", to: own) }
        try await pair.end()
    }

    // scenario: edit-delete-react
    @Test func reactionsAreCountedShowAtOnceAndCanBeTakenBack() async throws {
        let pair = try await Pair.meet()
        let id = try await pair.say("Tea?", in: pair.room)
        let thumb = "👍"
        pair.client.setNetwork(Network(kind: .none))
        try await pair.room.react(thumb, to: id)
        try await pair.room.react(thumb, to: id)
        let own = Reactions(key: thumb, count: 1, mine: true, by: [pair.ada.name])
        let shown = try await pair.timeline.message(id, "at once") { $0.reactions == [own] }
        #expect(shown.changing)
        pair.client.setNetwork(Network(kind: .wifi))
        try await pair.peerTimeline.message(id, "ada's") { $0.reactions.first?.count == 1 }
        try await pair.theirs.react(thumb, to: id)
        try await pair.theirs.react("☕", to: id)
        let both = [pair.ada.name, pair.grace.name]
        let seen = try await pair.timeline.message(id, "both") { $0.reactions.count == 2 }
        #expect(seen.reactions.first == Reactions(key: thumb, count: 2, mine: true, by: both))
        #expect(seen.reactions.last == Reactions(key: "☕", count: 1, mine: false, by: [both[1]]))
        try await pair.room.unreact(thumb, to: id)
        for timeline in [pair.timeline, pair.peerTimeline] {
            try await timeline.message(id, "one is left") {
                $0.reactions.map(\.count) == [1, 1] && !$0.changing
            }
        }
        try await pair.end()
    }

    // scenario: quote-thread
    @Test func aQuoteSaysWhatTheMessageSaysNowAndAThreadIsCountedAtItsRoot() async throws {
        let pair = try await Pair.meet()
        let root = try await pair.say("Where?", in: pair.room)
        let quote = try await pair.theirs.reply(to: root, "Here")
        let (ada, grace) = (pair.ada.name, pair.grace.name)
        for timeline in [pair.timeline, pair.peerTimeline] {
            let seen = try await timeline.message(quote, "the quote") { $0.replyTo?.message != nil }
            let quoted = Quoted(sender: ada, text: "Where?", deleted: false, blocked: false)
            #expect(seen.replyTo == Quote(id: root, message: quoted))
        }
        try await pair.room.edit(root, "Where now?")
        try await pair.peerTimeline.message(quote, "what it says now") {
            $0.replyTo?.message?.text == "Where now?"
        }
        try await pair.theirs.sendInThread(of: root, "aside")
        try await pair.room.send(OutgoingMessage(text: "more", mentions: [grace], thread: root))
        for timeline in [pair.timeline, pair.peerTimeline] {
            let seen = try await timeline.message(root, "two replies") { $0.replies?.count == 2 }
            #expect((seen.replies?.lastAtMs ?? 0) >= seen.atMs)
            #expect(try await timeline.texts(2) == ["Where now?", "Here"], "no rows of its own")
        }
        try await pair.room.delete(root)
        try await pair.peerTimeline.message(quote, "what is gone") {
            $0.replyTo?.message == Quoted(sender: ada, text: nil, deleted: true, blocked: false)
        }
        try await pair.end()
    }
}
