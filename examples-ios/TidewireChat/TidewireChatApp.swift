import SwiftUI
import Tidewire

@main
struct TidewireChatApp: App {
    @State private var session = Session()

    init() {
        // Before the app has finished launching, as the system demands.
        BackgroundRefresh.register(Session.refreshTask) { try await Session.clientForRefresh() }
    }

    var body: some Scene {
        WindowGroup {
            RootScreen(session: session)
        }
    }
}

/// The sign-in, or the rooms.
struct RootScreen: View {
    let session: Session
    @Environment(\.scenePhase) private var scenePhase

    var body: some View {
        Group {
            switch session.phase {
            case .signedOut: SignInScreen(session: session)
            case .opening: ProgressView("Opening…")
            case .open(let client, let status):
                RoomListScreen(client: client, status: status, session: session)
            }
        }
        .task { await session.resume() }
        .onChange(of: scenePhase) { _, phase in
            if phase == .background { BackgroundRefresh.schedule(Session.refreshTask) }
        }
    }
}
