import Testing

@testable import Tidewire

struct AuthorityTests {
    // scenario: own-authority
    @Test func chatGoesOverTlsByAnAuthorityOfOnesOwnAndByNoOther() async throws {
        let (url, roots) = try await Stage.secure()
        func open(_ person: Person, roots: String?) async throws -> TidewireClient {
            let name = person.name
            let settings = Settings(
                url: url, user: name, dataDir: person.folder, messageBufferTimeMs: 0,
                pollingIntervalMs: 200, rootCertificates: roots)
            return try await TidewireClient.open(settings) { try await Stage.token(name) }
        }
        let (ada, grace, joan) = (Person("ada"), Person("grace"), Person("joan"))
        let client = try await open(ada, roots: roots)
        let peer = try await open(grace, roots: roots)
        let timeline = try await peer.directRoom(with: ada.name).timeline()
        try await client.directRoom(with: grace.name).send("sealed")
        #expect(try await timeline.texts(1) == ["sealed"])

        // Whoever does not know the authority has met somebody, and not the server.
        let stranger = try await open(joan, roots: nil)
        do {
            _ = try await stranger.directRoom(with: grace.name)
            Issue.record("a server of nobody's was believed")
        } catch TidewireError.Network {
        }
        do {
            _ = try await open(Person("joan"), roots: "no PEM")
            Issue.record("what is no certificate was taken for one")
        } catch TidewireError.InvalidSetting(let setting, _) {
            #expect(setting == "root_certificates")
        }
        for client in [client, peer, stranger] { try await client.shutdown() }
    }
}
