import FoundationEssentials
import Logging
import Synchronization
import Testing

@testable import Core

/// What is logged is copied, from a level on; what the copies' own logger logs is not.
@Suite(.serialized, .timeLimit(.minutes(5))) struct LogCopiesTests {
    private final class Copies: LogCopy {
        let lines = Mutex<[String]>([])

        func take(_ line: String) { lines.withLock { $0.append(line) } }
    }

    private static func log(_ level: Logger.Level, _ message: Logger.Message, isCopied: Bool = true) {
        var handler = StandardErrorLogHandler(label: "test", format: .text, logLevel: .trace)
        handler.isCopied = isCopied
        handler.log(
            event: LogEvent(
                level: level, message: message, metadata: ["n": .stringConvertible(7)], source: nil, file: "",
                function: "", line: 0))
    }

    @Test func copiesAreJSONFromALevelOn() throws {
        let copies = Copies()
        Self.log(.error, "before")
        LogCopies.begin(copies, from: .warning)
        Self.log(.notice, "below")
        Self.log(.warning, "at \"it\"")
        Self.log(.critical, "own", isCopied: false)
        Self.log(.critical, "above")
        LogCopies.end()
        Self.log(.critical, "after")
        let found = try copies.lines.withLock { $0 }.map {
            try JSONDecoder().decode(JSONValue.self, from: Data($0.utf8))
        }
        #expect(found.map { $0["message"]?.text } == ["at \"it\"", "above"])
        #expect(found.map { $0["level"]?.text } == ["warning", "critical"])
        #expect(found.allSatisfy { $0["n"]?.number == 7 && $0["logger"]?.text == "test" })
    }
}
