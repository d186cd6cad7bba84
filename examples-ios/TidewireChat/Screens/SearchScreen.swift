import SwiftUI
import Tidewire

/// Messages by their words: on the device at each letter, everywhere after a pause.
struct SearchScreen: View {
    let client: TidewireClient
    let status: ClientStatus
    @State private var model: SearchModel

    init(client: TidewireClient, room: String?, status: ClientStatus) {
        self.client = client
        self.status = status
        _model = State(initialValue: SearchModel(client, in: room))
    }

    var body: some View {
        List {
            ForEach(model.hits) { hit in
                NavigationLink {
                    ChatScreen(
                        client: client, room: hit.message.room, status: status,
                        at: .message(id: hit.message.id))
                } label: {
                    HitRow(hit: hit)
                }
            }
            if model.hasMore {
                ProgressView("More").task { await model.loadMore() }
            } else if !model.isComplete, !model.isSearching {
                Text("There may be more on the server.").font(.footnote).foregroundStyle(.secondary)
            }
        }
        .listStyle(.plain)
        .overlay {
            if model.hits.isEmpty, !model.isSearching, !model.text.isEmpty {
                ContentUnavailableView.search(text: model.text)
            }
        }
        .searchable(text: $model.text, prompt: "Messages")
        .navigationTitle("Search")
        .task { await model.run() }
        .failure(of: model)
    }
}

private struct HitRow: View {
    let hit: SearchHit

    var body: some View {
        VStack(alignment: .leading, spacing: 2) {
            Text(verbatim: hit.message.sender).font(.caption).foregroundStyle(.secondary)
            hit.snippet.reduce(Text(verbatim: "")) { text, part in
                text + (part.matched ? Text(verbatim: part.text).bold() : Text(verbatim: part.text))
            }
            Text(hit.message.date, format: .dateTime).font(.caption2).foregroundStyle(.secondary)
        }
        .accessibilityElement(children: .combine)
    }
}
