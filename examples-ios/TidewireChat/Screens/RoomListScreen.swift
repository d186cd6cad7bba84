import SwiftUI
import Tidewire

/// The rooms: what is visible is live and fetched first.
struct RoomListScreen: View {
    let client: TidewireClient
    let status: ClientStatus
    let session: Session
    @State private var model: RoomListModel
    @State private var path: [String] = []
    @State private var peer = ""
    @State private var isCreating = false
    @State private var pending: UInt64?

    init(client: TidewireClient, status: ClientStatus, session: Session) {
        self.client = client
        self.status = status
        self.session = session
        // Made at each of these calls, and used once: it costs nothing.
        _model = State(initialValue: RoomListModel(client))
    }

    var body: some View {
        NavigationStack(path: $path) {
            List(model.rows) { row in
                NavigationLink(value: row.room) { RoomRow(row: row) }
                    .onAppear { model.appeared(row) }
                    .onDisappear { model.disappeared(row) }
                    .swipeActions(edge: .leading) { leading(row) }
                    .swipeActions(edge: .trailing) { trailing(row) }
            }
            .listStyle(.plain)
            .overlay { if model.isLoaded, model.rows.isEmpty { empty } }
            .searchable(text: $model.nameContains, prompt: "Room")
            .navigationTitle("Rooms")
            .navigationDestination(for: String.self) { room in
                ChatScreen(client: client, room: room, status: status)
            }
            .toolbar { tools }
            .safeAreaInset(edge: .top, spacing: 0) { StatusBar(status: status) }
        }
        .task { await model.run() }
        .failure(of: model)
        .alert("New conversation", isPresented: $isCreating) {
            TextField("User", text: $peer)
            Button("Cancel", role: .cancel) {}
            Button("Open") { open(peer) }
        }
        .confirmationDialog(
            "Messages that wait to be sent would be lost.", isPresented: asksToDiscard,
            titleVisibility: .visible
        ) {
            Button("Sign out", role: .destructive) {
                Task { _ = await session.signOut(discarding: true) }
            }
        }
    }

    private var empty: some View {
        ContentUnavailableView("No conversations yet", systemImage: "bubble.left.and.bubble.right")
    }

    @ToolbarContentBuilder private var tools: some ToolbarContent {
        ToolbarItem(placement: .topBarLeading) {
            Button("Sign out") { Task { pending = await session.signOut(discarding: false) } }
        }
        ToolbarItem(placement: .topBarTrailing) {
            NavigationLink {
                SearchScreen(client: client, room: nil, status: status)
            } label: {
                Label("Search messages", systemImage: "magnifyingglass")
            }
        }
        ToolbarItem(placement: .topBarTrailing) {
            Button {
                isCreating = true
            } label: {
                Label("New conversation", systemImage: "square.and.pencil")
            }
        }
    }

    private func leading(_ row: RoomListRow) -> some View {
        Button {
            Task { await model.markRead(row) }
        } label: {
            Label("Mark as read", systemImage: "envelope.open")
        }
        .tint(.blue)
    }

    @ViewBuilder private func trailing(_ row: RoomListRow) -> some View {
        Button {
            Task { await model.archive(row) }
        } label: {
            Label("Archive", systemImage: "archivebox")
        }
        Button {
            Task { await model.mute(row, !row.settings.muted) }
        } label: {
            if row.settings.muted {
                Label("Unmute", systemImage: "bell")
            } else {
                Label("Mute", systemImage: "bell.slash")
            }
        }
        .tint(.indigo)
        Button {
            Task { await model.pin(row, !row.settings.pinned) }
        } label: {
            if row.settings.pinned {
                Label("Unpin", systemImage: "pin.slash")
            } else {
                Label("Pin", systemImage: "pin")
            }
        }
        .tint(.orange)
    }

    private var asksToDiscard: Binding<Bool> {
        Binding(get: { pending != nil }, set: { if !$0 { pending = nil } })
    }

    private func open(_ peer: String) {
        Task {
            if let room = await model.directRoom(with: peer) { path = [room.id] }
        }
    }
}

/// A row of the list.
private struct RoomRow: View {
    let row: RoomListRow

    var body: some View {
        HStack(alignment: .firstTextBaseline) {
            VStack(alignment: .leading, spacing: 2) {
                HStack(spacing: 4) {
                    Text(verbatim: name).font(.headline).lineLimit(1)
                    if row.settings.pinned {
                        Image(systemName: "pin.fill").accessibilityLabel("Pinned")
                    }
                    if row.settings.muted {
                        Image(systemName: "bell.slash.fill").accessibilityLabel("Muted")
                    }
                }
                .imageScale(.small)
                said.font(.subheadline).foregroundStyle(.secondary).lineLimit(2)
            }
            Spacer()
            VStack(alignment: .trailing, spacing: 4) {
                Text(date, style: .time).font(.caption).foregroundStyle(.secondary)
                if row.failed {
                    Image(systemName: "exclamationmark.circle.fill")
                        .foregroundStyle(.red)
                        .accessibilityLabel("Not sent")
                } else if row.unread.messages > 0 {
                    Text(verbatim: row.unread.exact ? count : "\(count)+")
                        .font(.caption.bold())
                        .padding(.horizontal, 6)
                        .background(.tint, in: .capsule)
                        .foregroundStyle(.white)
                        .accessibilityLabel("\(Int(row.unread.messages)) unread")
                }
            }
        }
        .accessibilityElement(children: .combine)
    }

    private var name: String { row.name ?? row.profile?.name ?? row.peer ?? row.room }
    private var count: String { row.unread.messages.formatted() }
    private var date: Date { Date(timeIntervalSince1970: Double(row.atMs) / 1_000) }

    private var said: Text {
        if let draft = row.draft { return Text("Draft: \(draft)") }
        guard let message = row.lastMessage else { return Text("No messages yet") }
        if message.deleted != nil { return Text("Deleted") }
        if let text = message.text, !text.isEmpty { return Text(verbatim: text) }
        return message.attachments.isEmpty ? Text(verbatim: message.kind) : Text("Attachment")
    }
}

extension View {
    /// Says what went wrong of what the user has asked for.
    func failure(of model: ScreenModel) -> some View {
        // Read here, so that the view is drawn anew when it changes.
        let failure = model.failure
        return alert(
            "That did not work",
            isPresented: Binding(get: { failure != nil }, set: { if !$0 { model.clearFailure() } })
        ) {
            Button("OK") { model.clearFailure() }
        } message: {
            Text(verbatim: failure?.localizedDescription ?? "")
        }
    }
}
