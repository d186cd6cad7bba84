import Foundation
import Testing

@testable import Tidewire

/// What the observers of the platform decide, without a platform.
@Suite struct SignalTests {
    @Test func aPathIsTheNetworkThatItIs() {
        func network(_ change: (inout PathFacts) -> Void) -> Network {
            var path = PathFacts()
            change(&path)
            return Network(path)
        }
        #expect(network { _ in } == Network(kind: .other))
        #expect(network { $0.usesWifi = true } == Network(kind: .wifi))
        #expect(network { $0.usesCellular = true } == Network(kind: .cellular))
        #expect(network { ($0.usesWifi, $0.usesCellular) = (true, true) } == Network(kind: .wifi))
        let slow = network {
            ($0.usesCellular, $0.isExpensive, $0.radio) = (true, true, "CTRadioAccessTechnologyEdge")
        }
        #expect(slow == Network(kind: .cellular2G, metered: true))
        let hotspot = network {
            ($0.usesWifi, $0.isExpensive, $0.isConstrained) = (true, true, true)
            // The SIM's radio says nothing of a Wi-Fi.
            $0.radio = "CTRadioAccessTechnologyEdge"
        }
        #expect(hotspot == Network(kind: .wifi, metered: true, constrained: true))
        let gone = network {
            ($0.isUsable, $0.usesCellular, $0.isExpensive, $0.isConstrained) = (false, true, true, true)
        }
        #expect(gone == Network(kind: .none))
    }

    @Test func secondGenerationRadiosAreKnownByTheirNames() {
        for name in ["GPRS", "Edge", "CDMA1x"] {
            #expect(isSecondGeneration("CTRadioAccessTechnology\(name)"), "\(name)")
        }
        for name in ["WCDMA", "HSDPA", "HSUPA", "CDMAEVDORev0", "eHRPD", "LTE", "NRNSA", "NR", "New"] {
            #expect(!isSecondGeneration("CTRadioAccessTechnology\(name)"), "\(name)")
        }
        #expect(!isSecondGeneration(nil))
    }

    @Test func theRadioIsThatOfTheSimWhichCarriesTheData() {
        #expect(dataRadio(of: nil, chosen: "1") == nil)
        #expect(dataRadio(of: [:], chosen: nil) == nil)
        #expect(dataRadio(of: ["1": "LTE"], chosen: nil) == "LTE")
        #expect(dataRadio(of: ["1": "LTE", "2": "Edge"], chosen: "2") == "Edge")
        #expect(dataRadio(of: ["1": "LTE", "2": "Edge"], chosen: nil) == nil)
    }

    @Test func aFlushTakesWhatTheSystemGivesButForTheEnd() {
        #expect(flushTime(remaining: .infinity) == 20)
        #expect(flushTime(remaining: 30) == 20)
        #expect(flushTime(remaining: 12) == 7)
        #expect(flushTime(remaining: 3) == 0)
    }

    @Test func anAppThatTheSystemHasStartedOpensItsClientInTheBackgroundAndElseAsItWas() {
        // Every one that has a default has another value here: none of them may be forgotten.
        let settings = Settings(
            url: "https://chat.example.com", user: "ada", dataDir: "folder", acceptLoss: true,
            inBackground: false, maxConcurrentRooms: 1, messageBufferTimeMs: 2,
            presenceHeartbeatIntervalMs: 3, backgroundHeartbeatIntervalMs: 4, pollingIntervalMs: 5,
            slowPollingIntervalMs: 6, maxMessagesPerRoom: 7, cacheTtlMs: 8, cacheBytes: 9,
            fileCacheBytes: 10, memoryBytes: 11, spreadMs: 12, outboxCapacity: 13,
            budget: Budget(maxWakeupsPerHour: 14), rootCertificates: "pem", recordInto: "file",
            recordVerbatim: true)
        let launched = settings.launched(inBackground: true)
        #expect(launched.inBackground && launched != settings)
        #expect(launched.launched(inBackground: false) == settings)
    }

    @Test func aTokenSaysWhenItEnds() async throws {
        let token = try await Stage.token("ada", seconds: 3_600)
        let left = try #require(expiry(of: token)).timeIntervalSinceNow
        #expect(left > 3_000 && left < 3_700)
        for nonsense in ["", "a.b", "a.b.c", "a.e30.c", "....", "a.%%%.c"] {
            #expect(expiry(of: nonsense) == nil, "\(nonsense)")
        }
    }

    // scenario: token-expires
    @Test func aStoredTokenIsGivenOnceAndOnlyIfItIsGoodForAWhile() async throws {
        final class Kept: TokenStore {
            let token = Locked<String?>(nil)
            func load() throws -> String? { token.withLock { $0 } }
            func save(_ token: String?) throws { self.token.withLock { $0 = token } }
        }
        let kept = Kept()
        let fetched = Locked(0)
        let long = try await Stage.token("ada", seconds: 3_600)
        let tokens = {
            StoredTokens(kept) {
                fetched.withLock { $0 += 1 }
                return long
            }
        }
        #expect(try await tokens().token() == long && fetched.withLock { $0 } == 1)
        let second = tokens()
        #expect(try await second.token() == long && fetched.withLock { $0 } == 1, "stored")
        #expect(try await second.token() == long && fetched.withLock { $0 } == 2, "asked again: refused")
        try kept.save(try await Stage.token("ada", seconds: 30))
        #expect(try await tokens().token() == long && fetched.withLock { $0 } == 3, "too short")
        try kept.save("opaque")
        let last = tokens()
        #expect(try await last.token() == long && fetched.withLock { $0 } == 4)
        try await last.forget()
        #expect(try kept.load() == nil)
    }
}
