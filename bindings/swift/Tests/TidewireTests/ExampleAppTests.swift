import Foundation
import Testing

/// What can be seen of the example app without Apple's SDKs: that its words are in the catalogue.
@Suite struct ExampleAppTests {
    private static let languages = ["ar", "de"]

    @Test func everyWordOfTheScreensIsInTheCatalogueAndNothingElseIs() throws {
        let catalogue = try Catalogue.read()
        #expect(catalogue.sourceLanguage == "en")
        var used: Set<String> = []
        for file in try Self.sources() {
            for literal in Literal.all(in: try String(contentsOf: file, encoding: .utf8)) where literal.isShown {
                #expect(catalogue.strings[literal.key] != nil, "\(file.lastPathComponent): \(literal.key)")
                used.insert(literal.key)
            }
        }
        #expect(used.count > 50, "the screens were found")
        #expect(Set(catalogue.strings.keys).subtracting(used) == [], "in no screen")
    }

    @Test func everyWordIsTranslatedWithThePlacesForItsValues() throws {
        for (key, string) in try Catalogue.read().strings {
            #expect(string.localizations.keys.sorted() == Self.languages, "\(key)")
            for (language, localization) in string.localizations {
                let unit = localization.stringUnit
                #expect(unit.state == "translated" && !unit.value.isEmpty, "\(key) in \(language)")
                #expect(places(in: unit.value) == places(in: key), "\(key) in \(language)")
            }
        }
        let project = try String(
            contentsOf: Self.app.appendingPathComponent("TidewireChat.xcodeproj/project.pbxproj"),
            encoding: .utf8)
        for language in Self.languages { #expect(project.contains("\t\(language),\n"), "\(language)") }
    }

    @Test func whatIsWordAndWhatIsNotIsToldApart() {
        let source = """
            Text("Hello \\(name), \\(Int(count)) times").onTap("no") // Text("neither")
            Image(systemName: "no").accessibilityLabel("A \\"quoted\\" word")
            Text(verbatim: "no") Label(problem, systemImage: "no")
            extension A {
                var words: LocalizedStringKey {
                    switch self {
                    case .a: "First"
                    case .b(let ms): "Takes \\(Int(ms)) ms"
                    }
                }
                var symbol: String { "no" }
            }
            .searchable(text: $text, prompt: "Find")
            alert(
                "Went wrong", isPresented: \\(shown))
            """
        #expect(
            Literal.all(in: source).filter(\.isShown).map(\.key) == [
                "Hello %@, %lld times", "A \"quoted\" word", "First", "Takes %lld ms", "Find", "Went wrong",
            ])
    }

    private static let app = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("../../../../examples-ios").standardized

    private static func sources() throws -> [URL] {
        let all = FileManager.default.enumerator(at: app, includingPropertiesForKeys: nil)
        let files = try #require(all).compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
        try #require(!files.isEmpty)
        return files
    }

    /// What is put into a text, without the numbers that say which.
    private func places(in text: String) -> [String] {
        let kinds = ["%lld", "%@"]
        let plain = (1...9).reduce(text) { $0.replacingOccurrences(of: "%\($1)$", with: "%") }
        return kinds.flatMap { kind in
            Array(repeating: kind, count: plain.components(separatedBy: kind).count - 1)
        }
    }

    private struct Catalogue: Decodable {
        let sourceLanguage: String
        let strings: [String: Entry]

        struct Entry: Decodable {
            let localizations: [String: Localization]
        }

        struct Localization: Decodable {
            let stringUnit: Unit
        }

        struct Unit: Decodable {
            let state: String
            let value: String
        }

        static func read() throws -> Catalogue {
            let file = app.appendingPathComponent("TidewireChat/Localizable.xcstrings")
            return try JSONDecoder().decode(Catalogue.self, from: Data(contentsOf: file))
        }
    }
}

/// A text in a Swift file, and whether SwiftUI looks it up in the catalogue: in the first place of what shows
/// words, and as a value of the type for them.
private struct Literal {
    /// As the catalogue has it: with `%lld` for `\(Int(…))` and `%@` for anything else.
    let key: String
    let isShown: Bool

    private static let showing = [
        "Text", "Label", "Button", "TextField", "SecureField", "ProgressView", "ContentUnavailableView",
        "alert", "confirmationDialog", "navigationTitle", "accessibilityLabel", "banner", "about",
    ].map { "\($0)(" }

    static func all(in source: String) -> [Literal] {
        var literals: [Literal] = []
        var before = ""
        var rest = Substring(source)
        var isWords = false
        while let char = rest.first {
            if rest.hasPrefix("//") {
                rest = rest.drop { $0 != "\n" }
                continue
            }
            rest.removeFirst()
            guard char == "\"" else {
                before.append(char)
                if before.hasSuffix("LocalizedStringKey {") { isWords = true }
                // The end of a property, as this project indents it.
                if before.hasSuffix("\n    }\n") { isWords = false }
                continue
            }
            let key = readKey(&rest)
            let trimmed = before.trimmingCharacters(in: .whitespacesAndNewlines)
            let isFirst = showing.contains { trimmed.hasSuffix($0) } || trimmed.hasSuffix("prompt:")
            literals.append(Literal(key: key, isShown: isFirst || isWords))
            before.append("\"\"")
        }
        return literals
    }

    /// Reads to the end of a text.
    private static func readKey(_ rest: inout Substring) -> String {
        var key = ""
        while let char = rest.popFirst(), char != "\"" {
            guard char == "\\" else {
                key.append(char)
                continue
            }
            let escaped = rest.popFirst()
            guard escaped == "(" else {
                key.append(escaped == "n" ? "\n" : escaped ?? " ")
                continue
            }
            var (value, depth) = ("", 1)
            while depth > 0, let char = rest.popFirst() {
                if char == "(" { depth += 1 }
                if char == ")" { depth -= 1 }
                value.append(char)
            }
            key += value.hasPrefix("Int(") ? "%lld" : "%@"
        }
        return key
    }
}
