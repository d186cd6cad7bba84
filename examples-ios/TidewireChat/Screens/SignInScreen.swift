import SwiftUI

/// Asks for a server, a user and a token. A real app has its own sign-in here.
struct SignInScreen: View {
    let session: Session
    @State private var server = "http://localhost:8080"
    @State private var user = ""
    @State private var token = ""

    var body: some View {
        Form {
            Section {
                TextField("Server", text: $server)
                    .keyboardType(.URL)
                TextField("User", text: $user)
                SecureField("Token", text: $token)
            } footer: {
                Text("The demo server prints a token for each user.")
            }
            .textInputAutocapitalization(.never)
            .autocorrectionDisabled()
            // An address and an id are written from left to right in every language.
            .environment(\.layoutDirection, .leftToRight)
            if let problem = session.problem {
                Label(problem, systemImage: "exclamationmark.triangle")
                    .foregroundStyle(.red)
            }
            Button("Sign in") {
                Task { await session.signIn(server: server, user: user, token: token) }
            }
            .disabled(user.isEmpty || token.isEmpty)
        }
    }
}
