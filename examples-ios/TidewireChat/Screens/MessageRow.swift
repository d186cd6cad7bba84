import SwiftUI
import Tidewire

/// A message with its state, and what can be done with it.
struct MessageRow: View {
    let message: Message
    let model: TimelineModel
    let client: TidewireClient
    @State private var reason: String?

    private static let marks = ["👍", "❤️", "😂"]

    private var isMine: Bool { message.sender == client.user }

    var body: some View {
        // Leading and trailing turn around with the language.
        VStack(alignment: isMine ? .trailing : .leading, spacing: 2) {
            if !isMine {
                Text(verbatim: model.name(of: message.sender)).font(.caption).foregroundStyle(.secondary)
            }
            bubble
                .contextMenu { actions }
            if !message.reactions.isEmpty { reactions }
            footer
        }
        .frame(maxWidth: .infinity, alignment: isMine ? .trailing : .leading)
        .accessibilityElement(children: .combine)
        .accessibilityActions { actions }
        .alert("Why?", isPresented: Binding(get: { reason != nil }, set: { if !$0 { reason = nil } })) {
            Button("OK") { reason = nil }
        } message: {
            Text(verbatim: reason ?? "")
        }
    }

    private var bubble: some View {
        VStack(alignment: .leading, spacing: 4) {
            if let quote = message.replyTo {
                Text(verbatim: quote.message?.text ?? "…")
                    .font(.footnote)
                    .lineLimit(2)
                    .padding(.leading, 8)
                    .overlay(alignment: .leading) { Capsule().frame(width: 3) }
                    .foregroundStyle(.secondary)
            }
            if message.deleted != nil {
                Text("Deleted").italic().foregroundStyle(.secondary)
            } else {
                // The direction follows the text, not the app's language.
                if let text = message.text, !text.isEmpty { Text(verbatim: text) }
                ForEach(message.attachments, id: \.id) { file in
                    AttachmentView(file: file, client: client)
                }
                ForEach(message.outgoing, id: \.id) { file in
                    ProgressView(value: Double(file.sent), total: Double(max(file.size, 1))) {
                        Text(verbatim: file.name).font(.footnote)
                    }
                }
            }
        }
        .padding(10)
        .background(isMine ? Color.accentColor.opacity(0.2) : Color.gray.opacity(0.15))
        .clipShape(.rect(cornerRadius: 14))
        .opacity(message.changing ? 0.6 : 1)
    }

    private var reactions: some View {
        HStack {
            ForEach(message.reactions, id: \.key) { reaction in
                Button {
                    Task { await model.toggle(reaction.key, on: message) }
                } label: {
                    Text(verbatim: "\(reaction.key) \(reaction.count.formatted())")
                        .font(.caption)
                        .padding(.horizontal, 6)
                        .background(reaction.mine ? Color.accentColor.opacity(0.3) : Color.gray.opacity(0.2))
                        .clipShape(.capsule)
                }
                .buttonStyle(.plain)
                .accessibilityLabel("\(reaction.key), \(Int(reaction.count)) times")
                .accessibilityAddTraits(reaction.mine ? .isSelected : [])
            }
        }
    }

    private var footer: some View {
        HStack(spacing: 4) {
            if message.edited != nil { Text("Edited") }
            Text(message.date, style: .time)
            if isMine {
                Image(systemName: message.state.symbol)
                    .foregroundStyle(isFailed ? Color.red : Color.secondary)
                    .accessibilityLabel(message.state.words)
            }
        }
        .font(.caption2)
        .foregroundStyle(.secondary)
    }

    private var isFailed: Bool {
        if case .failed = message.state { true } else { false }
    }

    @ViewBuilder private var actions: some View {
        if isFailed {
            Button("Try again") { Task { await model.retry(message) } }
            Button("Discard", role: .destructive) { Task { await model.discard(message) } }
        } else if message.deleted == nil {
            ForEach(Self.marks, id: \.self) { mark in
                Button {
                    Task { await model.toggle(mark, on: message) }
                } label: {
                    Text(verbatim: mark)
                }
            }
            Button("Reply") { model.replyingTo = message }
            if isMine { Button("Edit") { model.edit(message) } }
            Button("Delete", role: .destructive) { Task { await model.delete(message) } }
        }
        if isMine { Button("Why?") { Task { reason = await model.why(message) } } }
    }
}
