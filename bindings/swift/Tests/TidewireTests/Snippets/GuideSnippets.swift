import Foundation
import Tidewire

// The programs of docs/swift.md, compiled and run here.

// snippet: open
func open(folder: String, server: String, user: String) async throws -> TidewireClient {
    let settings = Settings(url: server, user: user, dataDir: folder)
    return try await TidewireClient.open(settings) {
        // Ask your own sign-in server. What it throws is told as an event, in its own words.
        try await fetchToken(for: user)
    }
}
// end snippet

func fetchToken(for user: String) async throws -> String {
    try await Stage.token(user)
}

// snippet: rooms
func rooms(of client: TidewireClient, peer: String) async throws -> Room {
    // One room for each pair: created, or found.
    let direct = try await client.directRoom(with: peer)
    // A group has a name and an owner: whoever created it.
    let group = try await client.createGroup(name: "Tea", members: [peer])
    print(direct.id, group.id)

    // All rooms, most recently active first. From memory, also without a network.
    for room in try await client.rooms() {
        print(room.name ?? room.peer ?? room.id, room.unread.messages, "unread")
    }
    return group
}
// end snippet

// snippet: members
func invite(_ users: [String], to room: Room) async throws {
    try await room.addMembers(users)
    try await room.setRole(.owner, of: users[0])
    try await room.update(RoomUpdate(name: "Tea at five"))
    var page = try await room.members()
    while true {
        for member in page.members { print(member.user, member.role) }
        guard let next = page.next else { break }
        page = try await room.members(after: next)
    }
}
// end snippet

// snippet: models
@MainActor
func show(_ room: Room, of client: TidewireClient) async -> TimelineModel {
    let model = TimelineModel(client, room: room.id)
    // Until `stop()`, or until nobody holds the model. In SwiftUI: `.task { await model.run() }`.
    model.start()
    // What the user writes is a draft on disk, and the others see that he types.
    model.draft = "Hello"
    if await !model.send() { print(model.failure?.localizedDescription ?? "") }
    return model
}

@MainActor
func scrolled(to row: TimelineRow, in model: TimelineModel) async {
    if let message = row.message { model.seen(message) } else { await model.fill(row) }
    if row.id == model.rows.first?.id { await model.loadOlder() }
}
// end snippet

#if canImport(SwiftUI)
// snippet: swiftui
import SwiftUI

@available(iOS 17, macOS 14, *)
struct ChatView: View {
    @State private var model: TimelineModel

    init(client: TidewireClient, room: String) {
        _model = State(initialValue: TimelineModel(client, room: room))
    }

    var body: some View {
        List(model.rows) { row in
            Text(row.message?.text ?? "…")
                .onAppear { if let message = row.message { model.seen(message) } }
        }
        .safeAreaInset(edge: .bottom) {
            TextField("Message", text: $model.draft)
                .onSubmit { Task { await model.send() } }
        }
        .task { await model.run() }
    }
}
// end snippet
#endif

// snippet: status
@MainActor
func statusBar(of status: ClientStatus) -> String {
    let latency = status.latencyMs.map { ", \($0) ms" } ?? ""
    return "\(status.mode): \(status.reasonText)\(latency)"
}

@MainActor
func noticeBar(of status: ClientStatus) -> String? {
    guard let notice = status.notice else { return nil }
    return "\(notice.isStepDown ? "Down" : "Up") to \(notice.to), because \(notice.reasonText)"
}
// end snippet

// snippet: list
@MainActor
func listScreen(_ client: TidewireClient) -> RoomListModel {
    let model = RoomListModel(client, sort: .unreadFirst, filter: RoomFilter(kind: .group))
    model.start()
    return model
}

func line(of row: RoomListRow) -> String {
    let said = row.draft.map { "Draft: \($0)" } ?? row.lastMessage?.text ?? ""
    let least = row.unread.exact ? "" : "at least "
    let name = row.name ?? row.profile?.name ?? row.peer ?? ""
    return "\(name): \(said), \(least)\(row.unread.messages) unread"
}

func badge(_ client: TidewireClient) async throws {
    for try await total in client.unreadTotal {
        print(total.messages, "unread")
    }
}
// end snippet

// snippet: settings
func swiped(_ room: Room) async throws {
    try await room.mute()
    try await room.pin()
    try await room.archive(false)
}

func leftScreen(_ room: Room, written: String) async throws {
    try await room.setDraft(written)
}

func enteredScreen(_ room: Room) async throws -> String {
    try await room.draft() ?? ""
}
// end snippet

// snippet: show
func follow(_ room: Room, show: @Sendable ([TimelineRow]) async -> Void) async throws {
    for try await rows in try await room.timeline().rows {
        await show(rows)
    }
}
// end snippet

// snippet: send
func send(_ text: String, to room: Room) async throws {
    // The id of the message, now and for ever.
    let id = try await room.send(text)
    print("on disk:", id)
}

func label(of message: Message) -> String {
    switch message.state {
    case .sending: "on its way"
    case .waiting(let behind): "waits for \(behind)"
    case .failed(.refused(_, let text)), .failed(.unknown(let text)), .failed(.expired(let text)),
        .failed(.muted(_, let text)), .failed(.copyLost(let text)):
        "failed: \(text)"
    case .sent: "sent"
    case .delivered: "delivered"
    case .read: "read"
    }
}

func share(latitude: Double, longitude: Double, in room: Room) async throws {
    // An event of the app's own kind: it shows with its `kind` and `contentJson`.
    try await room.sendAs("com.example.place", contentJson: "[\(latitude),\(longitude)]")
}
// end snippet

// snippet: options
func tellPlace(_ place: String, in room: Room) async throws -> String {
    // Of no use in ten minutes, and nothing has to wait for it.
    let options = SendOptions(onFailure: .skip, expiresAfterMs: 600_000)
    return try await room.send(OutgoingMessage(text: place), options: options)
}

func undo(_ message: Message, in room: Room) async throws {
    // Gone without a trace if it was never sent, deleted if it may have arrived.
    try await room.cancel(message.id)
}
// end snippet

// snippet: changes
func chosen(_ choice: String, for message: Message, in room: Room) async throws {
    switch choice {
    case "like": try await room.react("👍", to: message.id)
    case "unlike": try await room.unreact("👍", to: message.id)
    case "correct": try await room.edit(message.id, "\(message.text ?? ""), I mean")
    case "quote": try await room.reply(to: message.id, "Indeed")
    case "aside": try await room.sendInThread(of: message.id, "By the way")
    default: try await room.delete(message.id)
    }
}

func details(of message: Message) -> [String] {
    var details: [String] = []
    if let quote = message.replyTo { details.append("> \(quote.message?.text ?? "…")") }
    if message.deleted != nil { details.append("(deleted)") }
    if message.edited != nil { details.append("(edited)") }
    details += message.reactions.map { "\($0.key) \($0.count)\($0.mine ? " with mine" : "")" }
    if let replies = message.replies { details.append("\(replies.count) in its thread") }
    if message.changing { details.append("…") }
    return details
}
// end snippet

// snippet: read
func seen(_ message: Message, in room: Room) async throws {
    if let seq = message.seq { try await room.markRead(upTo: seq) }
}
// end snippet

// snippet: presence
func header(of room: Room, with peer: String, _ client: TidewireClient) async throws {
    for try await presence in client.presence(of: [peer]) {
        switch presence[peer] {
        case .online: print("online")
        case .away: print("away")
        case .offline(let lastSeen?): print("last seen", Date(timeIntervalSince1970: Double(lastSeen) / 1_000))
        case .offline(nil): print("offline")
        case .unknown, nil: print("")
        }
    }
}

func footer(of room: Room) async throws {
    for try await users in room.typists {
        print(users.isEmpty ? "" : "\(users.joined(separator: ", ")) typing …")
    }
}

func textChanged(in room: Room) {
    room.typing()
}
// end snippet

// snippet: older
func loadWhatIsMissing(in timeline: Timeline, shown rows: [TimelineRow]) async throws {
    if timeline.hasOlder {
        try await timeline.loadOlder(50)
    }
    for case .gap(let from, let to) in rows {
        try await timeline.fillGap(from: from, to: to)
    }
}
// end snippet

// snippet: places
func showUnread(of room: Room) async throws {
    let timeline = try await room.timeline(at: .firstUnread)
    for try await rows in timeline.rows {
        var isDrawn = false
        for message in rows.compactMap(\.message) {
            // The first row from there on: what stands at that very place may have no row.
            if !isDrawn, let from = timeline.unreadFrom, let seq = message.seq, seq >= from {
                print("--- new ---")
                isDrawn = true
            }
            print(message.text ?? message.kind)
        }
        if timeline.hasNewer { print("(more below)") }
    }
}

func openQuoted(_ quote: Quote, in room: Room) async throws -> Timeline {
    try await room.timeline(at: .message(id: quote.id))
}

func scrolledDown(in timeline: Timeline) async throws {
    if timeline.hasNewer { try await timeline.loadNewer(50) }
}

func openThread(of root: Message, in room: Room) async throws -> Timeline {
    try await room.thread(of: root.id)
}
// end snippet

// snippet: search
func typed(_ text: String, _ client: TidewireClient) async throws -> SearchPage {
    // At each letter: what is on this device.
    try await client.search(text)
}

func paused(_ text: String, _ page: SearchPage, _ client: TidewireClient) async throws -> SearchPage {
    // Once the person pauses: everywhere, if that can find more.
    page.complete ? page : try await client.search(text, scope: .everywhere)
}

func line(of hit: SearchHit) -> String {
    hit.snippet.map { $0.matched ? "[\($0.text)]" : $0.text }.joined()
}
// end snippet

// snippet: profiles
func names(of users: [String], _ client: TidewireClient) async throws {
    for try await profiles in client.profiles(of: users) {
        print(users.map { profiles[$0]?.name ?? $0 })
    }
}

func rename(_ name: String, _ client: TidewireClient) async throws {
    try await client.updateProfile(ProfileUpdate(name: name))
}
// end snippet

// snippet: lifecycle
func sceneChanged(isInFront: Bool, _ client: TidewireClient) async throws {
    try await client.setAppState(isInFront ? .foreground : .background)
}

func aboutToBeSuspended(_ client: TidewireClient) async throws {
    try await client.setAppState(.suspended)
    // Now no file is open or locked, and no timer is armed.
}

func backgroundRefresh(_ client: TidewireClient) async throws -> Bool {
    try await client.refreshOnce(deadline: 20).complete
}

func networkChanged(isExpensive: Bool, isConstrained: Bool, _ client: TidewireClient) {
    client.setNetwork(
        Network(kind: .cellular, metered: isExpensive, constrained: isConstrained))
}

func quit(_ client: TidewireClient) async throws {
    try await client.shutdown()
}
// end snippet

#if canImport(UIKit)
// snippet: platform
@MainActor
func openWithTheSystem(_ settings: Settings, user: String) async throws -> (TidewireClient, PlatformObserver) {
    let tokens = StoredTokens(KeychainTokenStore(account: user)) { try await fetchToken(for: user) }
    // `asLaunched`: whether the system has started the app with nobody looking.
    let client = try await TidewireClient.open(settings.asLaunched) { try await tokens.token() }
    // Network, low power and lifecycle from now on, for as long as somebody holds it.
    return (client, PlatformObserver(client))
}

func finishLaunching(open: @escaping @Sendable () async throws -> TidewireClient) {
    BackgroundRefresh.register("com.example.refresh", open: open)
    BackgroundRefresh.schedule("com.example.refresh")
}
// end snippet
#endif

// snippet: logs
func logs(into file: String) throws {
    // 1 MB each, and the last three that were full as `file.1` to `file.3`.
    try Logs.write(into: LogFile(path: file, level: .info))
}

func printed() async throws {
    for try await batch in Logs(.debug) {
        for line in batch.lines { print(line.level, line.target, line.text) }
    }
}
// end snippet

// snippet: logout
func signOut(_ client: TidewireClient, mayLose: (UInt64) async -> Bool) async throws {
    do {
        try await client.logout(.keep)
    } catch TidewireError.PendingSends(let pending) {
        if await mayLose(pending) { try await client.logout(.discard) }
    }
}
// end snippet

// snippet: report
func report(_ client: TidewireClient) async throws {
    let report = try await client.cacheReport()
    for tier in [report.memory, report.disk, report.server] {
        print("\(tier.hits) of \(tier.asked) reads, half within \(tier.p50Ms) ms, \(tier.bytes) bytes")
    }
    print("first screen after", report.interactiveMs ?? 0, "ms")
}
// end snippet

// snippet: modes
func watch(_ client: TidewireClient) async throws {
    for try await report in client.modes {
        print(report.mode, "because:", report.reasonText)
    }
}
// end snippet

// snippet: events
func listen(_ client: TidewireClient, signIn: @Sendable (String) async -> Void) async throws {
    for try await batch in client.events {
        for event in batch.events {
            switch event {
            case .authRequired(let reason): await signIn(reason)
            case .wrongUser(let user): print("the token is of \(user)")
            case .sendFailed(_, let id, let target, let reason):
                print("\(target ?? id) was refused: \(reason)")
            case .repaired(let repair): print("mended: \(repair.reason)")
            case .storeFailed(let reason): print("nothing new is read: \(reason)")
            case .storeRecovered: print("the store works again")
            case .roomsChanged: print(try await client.rooms().count, "rooms")
            case .unreadTotalChanged, .profilesChanged, .presenceChanged, .typingChanged, .blockedChanged: break
            }
        }
    }
}
// end snippet

// snippet: why
func explain(_ client: TidewireClient, _ room: Room, _ message: String) async throws {
    // "Polling because the network is 2G; everything else would allow real-time; …"
    print(try await client.why().sentence)
    // "Sending: second in the queue of this room, behind …, which waits for the network."
    print(try await room.why(message).sentence)
    for case .gap(let from, let to) in try await room.why().facts {
        print("\(from) to \(to) are missing")
    }
}
// end snippet

// snippet: budget
func beFrugal(_ client: TidewireClient) async throws {
    client.setBudget(Budget(maxWakeupsPerHour: 60, maxBytesPerHour: 500_000))
    let spent = try await client.budget()
    print(spent.wakeups.spent, "wake-ups; the next read in", spent.nextReadMs ?? 0, "ms")
}

func recorded(_ user: String, into file: String) -> Settings {
    Settings(url: "https://chat.example.com", user: user, recordInto: file)
}
// end snippet

// snippet: errors
func findRoom(with peer: String, _ client: TidewireClient) async throws -> Room? {
    do {
        return try await client.directRoom(with: peer)
    } catch TidewireError.Offline, TidewireError.Network {
        return nil
    } catch TidewireError.Refused(let code, let reason, _, _) {
        print("no (\(code)): \(reason)")
        return nil
    } catch let error as TidewireError where error.isTemporary() {
        print("later: \(error.localizedDescription)")
        return nil
    }
}
// end snippet

// snippet: files
func open(_ attachment: Attachment, with client: TidewireClient) async throws -> URL {
    let download = try client.download(attachment)
    let telling = Task {
        for try await step in download.progress { print("\(step.bytes) of \(step.size) bytes") }
    }
    defer { telling.cancel() }
    let file = try await download.file()
    // Under the name that its sender gave it, where the app keeps what it shares.
    let copy = FileManager.default.temporaryDirectory.appendingPathComponent(attachment.name)
    try? FileManager.default.removeItem(at: copy)
    try FileManager.default.copyItem(at: file.url, to: copy)
    return copy
}
// end snippet
