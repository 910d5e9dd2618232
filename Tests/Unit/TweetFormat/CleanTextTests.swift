import TestSupport
import Testing

@testable import TweetFormat

@Suite("CleanText", .timeLimit(.minutes(5)))
struct CleanTextTests {
    static let cases: [(line: [UInt8], clean: String, alterations: CleanText.Alterations)] = [
        (
            bytes(#"{"a":"plain ä 😀 \n \" \\ \u00e4 \ud83d\ude00"}"#),
            #"{"a":"plain ä 😀 \n \" \\ \u00e4 \ud83d\ude00"}"#, []
        ),
        (bytes(#"["\u0000"]"#), #"["\ufffd"]"#, .nul),
        (bytes(#"["\\u0000"]"#), #"["\\u0000"]"#, []),
        (bytes(#"["\\\u0000"]"#), #"["\\\ufffd"]"#, .nul),
        (bytes(#"{"\u0000":1}"#), #"{"\ufffd":1}"#, .nul),
        (bytes(#"["\ud83d"]"#), #"["\ufffd"]"#, .loneSurrogate),
        (bytes(#"["\uDE00"]"#), #"["\ufffd"]"#, .loneSurrogate),
        (bytes(#"["\ud83d\ud83d\ude00"]"#), #"["\ufffd\ud83d\ude00"]"#, .loneSurrogate),
        (bytes(#"["\ud83d\u0041"]"#), #"["\ufffd\u0041"]"#, .loneSurrogate),
        (bytes(#"["\ud83d\u0000"]"#), #"["\ufffd\ufffd"]"#, [.loneSurrogate, .nul]),
        (bytes(#"["\ude00\ud83d"]"#), #"["\ufffd\ufffd"]"#, .loneSurrogate),
        (bytes("[\"a\u{0}b\"]"), "[\"a\u{FFFD}b\"]", .nul),
        (bytes("[\"a\u{1}\t\u{1f}b\"]"), #"["a\u0001\u0009\u001fb"]"#, .controlCharacter),
        (bytes("[\t1,\r\n 2]"), "[\t1,\r\n 2]", []),
        (bytes("\u{FEFF}[1]"), "[1]", .byteOrderMark),
        (bytes("[\"") + [0xFF] + bytes("\"]"), "[\"\u{FFFD}\"]", .invalidUTF8),
        (bytes("[\"") + [0xC0, 0x80] + bytes("\"]"), "[\"\u{FFFD}\u{FFFD}\"]", .invalidUTF8),
        (bytes("[\"") + [0xED, 0xA0, 0xBD] + bytes("\"]"), "[\"\u{FFFD}\u{FFFD}\u{FFFD}\"]", .invalidUTF8),
        (bytes("[\"") + [0xF0, 0x9F, 0x98] + bytes("\"]"), "[\"\u{FFFD}\"]", .invalidUTF8),
        (
            bytes("[\"") + [0xF4, 0x90, 0x80, 0x80] + bytes("\"]"), "[\"\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\"]",
            .invalidUTF8
        ),
        // What is broken beyond its text stays as it is.
        (bytes(#"["open \ud8"#), #"["open \ud8"#, []),
        (bytes(#"["\"#), #"["\"#, []),
        ([], "", []),
    ]

    @Test("repairs what cannot be held, and nothing else", arguments: cases)
    func table(line: [UInt8], clean: String, alterations: CleanText.Alterations) {
        let result = Self.clean(line)
        #expect(String(decoding: result.line, as: UTF8.self) == clean)
        #expect(result.alterations == alterations)
    }

    @Test("a cleaned line needs no cleaning")
    func idempotent() {
        for (line, _, _) in Self.cases {
            let once = Self.clean(line).line
            let twice = Self.clean(once)
            #expect(twice.line == once)
            #expect(twice.alterations == [])
        }
    }

    @Test("replaces invalid UTF-8 as the Unicode standard recommends, whatever the bytes", arguments: [1, 2, 3])
    func randomBytes(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let interesting: [UInt8] = [0x41, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF]
        for _ in 0..<5_000 {
            let text = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? interesting.randomElement(using: &random) ?? 0 : UInt8.random(in: 0x80...0xFF, using: &random)
            }
            let result = Self.clean(Self.bytes("\"") + text + Self.bytes("\""))
            let expected = "\"" + String(decoding: text, as: UTF8.self) + "\""
            #expect(String(decoding: result.line, as: UTF8.self) == expected, "\(text)")
            #expect(result.line == Array(expected.utf8))
            #expect(result.alterations == (String(validating: text, as: UTF8.self) == nil ? .invalidUTF8 : []))
        }
    }

    @Test("any text between quotes becomes a document", arguments: [4, 5, 6])
    func randomText(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pieces: [[UInt8]] =
            [#"\u0000"#, #"\ud83d"#, #"\ude00"#, #"\n"#, #"\\"#, #"\u00e4"#, "ä", "😀", "x", "\u{0}", "\u{1}"].map(
                Self.bytes)
            + [[0xFF], [0xED, 0xA0], [0xE2, 0x82]]
        for _ in 0..<2_000 {
            let text = (0..<Int.random(in: 0..<8, using: &random)).flatMap { _ in
                pieces.randomElement(using: &random) ?? []
            }
            var parser = LineParser()
            let line = Self.bytes("[\"") + text + Self.bytes("\"]")
            let string = try unsafe line.withUnsafeBytes { try unsafe parser.parse($0).elements.first?.text }
            let replaced = try #require(string)
            #expect(!replaced.utf8.contains(0), "\(line)")
            let needsRepair = Self.clean(line).alterations != []
            #expect(needsRepair == !parser.alterations.isEmpty, "\(line)")
        }
    }

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    static func clean(_ line: [UInt8]) -> (line: [UInt8], alterations: CleanText.Alterations) {
        var output = Self.bytes("left over from the line before")
        let alterations = unsafe line.withUnsafeBytes { unsafe CleanText.clean($0, into: &output) }
        return (output, alterations)
    }
}
