import SwiftUI
import Tidewire

/// A file of a message: got when somebody asks for it, and shared from there.
struct AttachmentView: View {
    let file: Attachment
    let client: TidewireClient
    @State private var download: Download?
    @State private var share: Double?
    /// Held for as long as it is shown: so it stays on the disk.
    @State private var local: LocalFile?
    @State private var copy: URL?
    @State private var problem: String?

    var body: some View {
        HStack {
            Image(systemName: file.contentType.hasPrefix("image/") ? "photo" : "doc")
                .accessibilityHidden(true)
            VStack(alignment: .leading) {
                Text(verbatim: file.name).lineLimit(1)
                Text(Int64(file.size), format: .byteCount(style: .file))
                    .font(.caption)
                    .foregroundStyle(.secondary)
                if let problem { Text(verbatim: problem).font(.caption).foregroundStyle(.red) }
            }
            if let copy {
                ShareLink(item: copy) { Label("Share", systemImage: "square.and.arrow.up") }
                    .labelStyle(.iconOnly)
            } else if let share {
                ProgressView(value: share).frame(width: 40).accessibilityLabel("Downloading")
            } else {
                Button {
                    begin()
                } label: {
                    Label("Download", systemImage: "arrow.down.circle").labelStyle(.iconOnly)
                }
            }
        }
        .task(id: download.map { ObjectIdentifier($0) }) { await follow() }
    }

    private func begin() {
        do {
            download = try client.download(file)
            (share, problem) = (0, nil)
        } catch {
            problem = error.localizedDescription
        }
    }

    private func follow() async {
        guard let download else { return }
        do {
            for try await step in download.progress {
                share = Double(step.bytes) / Double(max(step.size, 1))
            }
            let whole = try await download.file()
            // Under the name that its sender gave it: on the disk it has its key.
            let named = FileManager.default.temporaryDirectory.appending(path: file.id)
            try FileManager.default.createDirectory(at: named, withIntermediateDirectories: true)
            let to = named.appending(path: file.name)
            if !FileManager.default.fileExists(atPath: to.path) {
                try FileManager.default.copyItem(at: whole.url, to: to)
            }
            (local, copy) = (whole, to)
        } catch is CancellationError {
            // The view went: the next one goes on from there.
        } catch {
            (problem, share) = (error.localizedDescription, nil)
        }
    }
}
