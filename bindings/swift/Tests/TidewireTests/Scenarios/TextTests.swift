import Foundation
import Testing

@testable import Tidewire

struct TextTests {
    // scenario: invalid-utf16
    @Test func loneSurrogatesArriveAsTheReplacementCharacter() async throws {
        let pair = try await Pair.meet()
        let units: [UInt16] = [0xD83D, 0x61, 0xDE00]
        let ways = [
            String(decoding: units, as: UTF16.self),
            String(utf16CodeUnits: units, count: units.count),
            NSString(characters: units, length: units.count) as String,
        ]
        for text in ways { try await pair.room.send(text) }
        let repaired = ways.map { _ in "\u{FFFD}a\u{FFFD}" }
        #expect(try await pair.peerTimeline.texts(ways.count) == repaired)
        #expect(try await pair.timeline.texts(ways.count) == repaired)
        try await pair.end()
    }

    // scenario: invalid-utf16
    @Test func allOfUnicodeArrivesAsItWasWritten() async throws {
        let pair = try await Pair.meet()
        let texts = [
            "a\u{0}b\u{0}", "👩‍👩‍👧‍👦🏳️‍🌈🇪🇺", "שלום \u{202E}עולם\u{202C} مرحبا", "\u{FEFF}BOM\u{FEFF}",
            "e\u{301} is not \u{E9}", "\u{FFFD}\u{FFFF}\u{10FFFF}", "\r\n\t\u{2028}\u{85}",
        ]
        for text in texts { try await pair.room.send(text) }
        // By code points: `==` of Swift strings takes e + accent and é for the same.
        let scalars = texts.map { Array($0.unicodeScalars) }
        let received = try await pair.peerTimeline.texts(texts.count)
        #expect(received.map { Array($0.unicodeScalars) } == scalars)
        try await pair.end()
    }
}
