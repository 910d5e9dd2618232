import FoundationEssentials
import Logging
import Testing

@testable import Core

/// What a log line looks like, in both formats.
@Suite(.timeLimit(.minutes(5))) struct LoggingTests {
    private static func line(
        _ format: LogFormat, _ message: Logger.Message, _ metadata: Logger.Metadata
    ) -> String {
        let handler = StandardErrorLogHandler(label: "test", format: format, logLevel: .info)
        return handler.line(
            LogEvent(
                level: .warning, message: message, metadata: metadata, source: nil, file: "", function: "", line: 0))
    }

    @Test(
        "numbers and booleans are written as such, texts that look like numbers as texts",
        arguments: [
            (.stringConvertible(42), "42"), (.stringConvertible(Int64.min), "-9223372036854775808"),
            (.stringConvertible(UInt64.max), "18446744073709551615"), (.stringConvertible(Int32(-7)), "-7"),
            (.stringConvertible(2.5), "2.5"), (.stringConvertible(1e300), "1e+300"),
            (.stringConvertible(Float(0.5)), "0.5"),
            (.stringConvertible(Double.nan), #""nan""#), (.stringConvertible(Double.infinity), #""inf""#),
            (.stringConvertible(true), "true"), (.stringConvertible(false), "false"),
            (.string("42"), #""42""#), ("\(42)", #""42""#), (.string("true"), #""true""#), (.string(""), #""""#),
            (.stringConvertible("007"), #""007""#), (.string("a\"b\nc"), #""a\"b\nc""#),
            (.array([.stringConvertible(1), "1", .array([])]), #"[1,"1",[]]"#),
            (.dictionary(["b": .stringConvertible(false), "a": "x"]), #"{"a":"x","b":false}"#),
        ] as [(Logger.MetadataValue, String)])
    func jsonValue(value: Logger.MetadataValue, expected: String) throws {
        let line = Self.line(.json, "loaded", ["value": value])
        #expect(line.hasSuffix(#""message":"loaded","value":\#(expected)}"#), "\(line)")
        _ = try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
    }

    @Test(
        "in the text format nothing can begin a line of its own or move the cursor",
        arguments: ["\n", "\r", "\u{1B}[2J", "\u{0}", "\u{85}", "\u{2028}", "\u{2029}", "\u{202E}", "\u{9B}"])
    func controlCharacters(character: String) throws {
        let forged = "x\(character)2026-01-01T00:00:00Z ERROR forged"
        let line = Self.line(.text, "\(forged)", ["value": "\(forged)", "list": .array([.string(forged)])])
        #expect(!line.unicodeScalars.contains(character.unicodeScalars.first ?? "x"), "\(line)")
        #expect(line.contains("forged"))
        #expect(line.split(whereSeparator: \.isNewline).count == 1)
    }

    @Test func textValues() {
        let line = Self.line(
            .text, "loaded",
            [
                "n": .stringConvertible(3), "plain": "a-b", "quoted": "a b", "empty": "",
                "flag": .stringConvertible(true),
            ])
        #expect(line.hasSuffix(#" WARNING loaded empty="" flag=true n=3 plain=a-b quoted="a b""#), "\(line)")
    }
}
