import PhotosUI
import SwiftUI
import Tidewire

/// What the user writes: text, a photo, a file.
struct Composer: View {
    @Bindable var model: TimelineModel
    @State private var photo: PhotosPickerItem?
    @State private var isChoosing = false
    @State private var isPicking = false
    @State private var problem: String?

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            if !model.typists.isEmpty {
                Text("\(model.typists.map(model.name(of:)).formatted()) typing…")
                    .font(.caption)
                    .foregroundStyle(.secondary)
            }
            if let problem { Text(verbatim: problem).font(.caption).foregroundStyle(.red) }
            if let quoted = model.replyingTo {
                about("Reply to: \(quoted.text ?? "")") { model.replyingTo = nil }
            }
            if model.editing != nil {
                about("Changing a message") { model.cancelEdit() }
            }
            HStack(alignment: .bottom) {
                Menu {
                    Button {
                        isChoosing = true
                    } label: {
                        Label("Photo", systemImage: "photo")
                    }
                    Button {
                        isPicking = true
                    } label: {
                        Label("File", systemImage: "doc")
                    }
                } label: {
                    Label("Attach", systemImage: "paperclip").labelStyle(.iconOnly)
                }
                .disabled(model.editing != nil)
                TextField("Message", text: $model.draft, axis: .vertical)
                    .lineLimit(1...6)
                    .textFieldStyle(.roundedBorder)
                Button {
                    Task { await model.send() }
                } label: {
                    Label("Send", systemImage: "arrow.up.circle.fill").labelStyle(.iconOnly)
                }
                .disabled(model.draft.isEmpty)
            }
            .font(.title3)
        }
        .padding(8)
        .background(.bar)
        .photosPicker(isPresented: $isChoosing, selection: $photo, matching: .images)
        .fileImporter(isPresented: $isPicking, allowedContentTypes: [.item]) { picked in
            Task { await attach(picked) }
        }
        .onChange(of: photo) { _, picked in
            guard let picked else { return }
            photo = nil
            Task { await attach(picked) }
        }
    }

    private func about(_ words: LocalizedStringKey, end: @escaping () -> Void) -> some View {
        HStack {
            Text(words).font(.footnote).lineLimit(1)
            Spacer()
            Button(action: end) { Label("Dismiss", systemImage: "xmark").labelStyle(.iconOnly) }
        }
    }

    private func attach(_ picked: Result<URL, any Error>) async {
        do {
            let url = try picked.get()
            // Files of other apps are lent; the client copies before `send` returns.
            let isLent = url.startAccessingSecurityScopedResource()
            defer { if isLent { url.stopAccessingSecurityScopedResource() } }
            await model.send(files: [NewFile(path: url.path)])
        } catch {
            problem = error.localizedDescription
        }
    }

    private func attach(_ photo: PhotosPickerItem) async {
        do {
            guard let data = try await photo.loadTransferable(type: Data.self) else { return }
            let kind = photo.supportedContentTypes.first?.preferredFilenameExtension ?? "jpg"
            let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).\(kind)")
            try data.write(to: url)
            defer { try? FileManager.default.removeItem(at: url) }
            await model.send(files: [NewFile(path: url.path)])
        } catch {
            problem = error.localizedDescription
        }
    }
}
