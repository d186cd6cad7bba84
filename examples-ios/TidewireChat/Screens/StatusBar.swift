import Accessibility
import SwiftUI
import Tidewire

/// The mode, its reason and the latency, and for a moment that the mode has changed.
struct StatusBar: View {
    let status: ClientStatus
    @Environment(\.dynamicTypeSize) private var typeSize

    var body: some View {
        VStack(spacing: 0) {
            if let problem = status.signInNeeded {
                banner("Sign in again: \(problem)", symbol: "person.badge.key")
            }
            if let problem = status.storeTrouble {
                banner("Nothing new is read: \(problem)", symbol: "externaldrive.badge.exclamationmark")
            }
            if let notice = status.notice {
                NoticeView(notice: notice) { status.dismissNotice() }
            }
            // In one line as long as it fits.
            let layout =
                typeSize.isAccessibilitySize
                ? AnyLayout(VStackLayout(alignment: .leading)) : AnyLayout(HStackLayout())
            layout {
                Label(status.mode.words, systemImage: status.mode.symbol)
                    .bold()
                Text(status.reason.words)
                    .foregroundStyle(.secondary)
                Spacer(minLength: 0)
                if let ms = status.latencyMs {
                    Text("\(Int(ms)) ms")
                        .monospacedDigit()
                        .accessibilityLabel("Answers take \(Int(ms)) ms")
                }
            }
            .font(.footnote)
            .padding(.horizontal)
            .padding(.vertical, 6)
            .accessibilityElement(children: .combine)
        }
        .background(.bar)
        .animation(.default, value: status.notice)
    }

    private func banner(_ words: LocalizedStringKey, symbol: String) -> some View {
        Label(words, systemImage: symbol)
            .font(.footnote)
            .frame(maxWidth: .infinity, alignment: .leading)
            .padding(8)
            .background(.red.opacity(0.15))
    }
}

/// That the mode has changed, and why. It goes by itself.
private struct NoticeView: View {
    let notice: ModeNotice
    let dismiss: () -> Void

    var body: some View {
        HStack {
            Image(systemName: notice.isStepDown ? "arrow.down.circle" : "arrow.up.circle")
                .accessibilityHidden(true)
            VStack(alignment: .leading) {
                Text(notice.to.words).bold()
                Text(notice.reason.words)
            }
            Spacer()
            Button(action: dismiss) {
                Label("Dismiss", systemImage: "xmark").labelStyle(.iconOnly)
            }
        }
        .font(.footnote)
        .padding(8)
        .background(notice.isStepDown ? Color.orange.opacity(0.2) : Color.green.opacity(0.2))
        .accessibilityElement(children: .contain)
        // Nobody who does not see it appear would know.
        .onAppear { AccessibilityNotification.LayoutChanged().post() }
        .task(id: notice.id) {
            do {
                try await Task.sleep(for: .seconds(6))
                dismiss()
            } catch {
                // The view went, or another notice came.
            }
        }
    }
}
