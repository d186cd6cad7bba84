import SwiftUI
import Tidewire

/// A room: its messages, the newest at the bottom, and what the user writes.
struct ChatScreen: View {
    let client: TidewireClient
    let room: String
    let status: ClientStatus
    @State private var model: TimelineModel
    @Environment(\.scenePhase) private var scenePhase

    init(client: TidewireClient, room: String, status: ClientStatus, at start: TimelineStart = .newest) {
        self.client = client
        self.room = room
        self.status = status
        _model = State(initialValue: TimelineModel(client, room: room, at: start))
    }

    var body: some View {
        ScrollViewReader { scroll in
            ScrollView {
                LazyVStack(alignment: .leading, spacing: 8) {
                    if model.hasOlder { older }
                    ForEach(model.rows) { row in
                        if row.id == model.firstUnreadRow { UnreadLine() }
                        line(row)
                    }
                    if model.hasNewer { newer }
                }
                .padding(.horizontal)
            }
            .defaultScrollAnchor(.bottom)
            .onChange(of: model.messages.last?.id) { _, last in
                // One's own message is always shown; what others say does not pull the reader away.
                guard let last, model.messages.last?.sender == client.user else { return }
                withAnimation { scroll.scrollTo(last, anchor: .bottom) }
            }
        }
        .overlay { phase }
        .safeAreaInset(edge: .top, spacing: 0) { StatusBar(status: status) }
        .safeAreaInset(edge: .bottom, spacing: 0) { Composer(model: model) }
        .navigationTitle("Conversation")
        .navigationBarTitleDisplayMode(.inline)
        .toolbar {
            NavigationLink {
                SearchScreen(client: client, room: room, status: status)
            } label: {
                Label("Search messages", systemImage: "magnifyingglass")
            }
        }
        .task { await model.run() }
        .failure(of: model)
    }

    @ViewBuilder private func line(_ row: TimelineRow) -> some View {
        switch row {
        case .message(let message):
            MessageRow(message: message, model: model, client: client)
                .onAppear { if scenePhase == .active { model.seen(message) } }
        case .gap:
            Label("Messages are missing here", systemImage: "ellipsis")
                .font(.footnote)
                .frame(maxWidth: .infinity)
                .task { await model.fill(row) }
        }
    }

    private var older: some View {
        ProgressView("Older messages")
            .frame(maxWidth: .infinity)
            .task { await model.loadOlder() }
    }

    private var newer: some View {
        ProgressView("Newer messages")
            .frame(maxWidth: .infinity)
            .task { await model.loadNewer() }
    }

    @ViewBuilder private var phase: some View {
        switch model.phase {
        case .opening: ProgressView("Opening…")
        case .open: EmptyView()
        case .failed(let reason):
            ContentUnavailableView {
                Label("The conversation can not be opened", systemImage: "exclamationmark.bubble")
            } description: {
                Text(verbatim: reason)
            } actions: {
                Button("Try again") { model.reopen() }
            }
        }
    }
}

/// Where what was not read begins.
private struct UnreadLine: View {
    var body: some View {
        HStack {
            VStack { Divider() }
            Text("New").font(.caption.bold()).foregroundStyle(.tint)
            VStack { Divider() }
        }
        .accessibilityElement(children: .combine)
        .accessibilityAddTraits(.isHeader)
    }
}
