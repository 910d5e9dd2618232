import FoundationEssentials
import TestSupport
import Testing

/// The table of messages in `docs/operations.md` names every message of the sources, and no other.
@Suite(.timeLimit(.minutes(5))) struct LogTableTests {
    @Test func theTableNamesEveryMessage() throws {
        let logged = try Self.loggedMessages()
        let listed = try Self.listedMessages()
        #expect(logged.count > 60)
        #expect(logged.subtracting(listed).sorted() == [], "logged, but not in the table")
        #expect(listed.subtracting(logged).sorted() == [], "in the table, but not logged")
    }

    @Test func messagesAreConstant() throws {
        #expect(try Self.loggedMessages().filter { $0.contains("\\(") } == [])
    }

    // MARK: The table

    /// The texts between backticks in the first column below "## The log".
    private static func listedMessages() throws -> Set<String> {
        let text = try String(contentsOf: repository.appending(path: "docs/operations.md"), encoding: .utf8)
        var isInside = false
        var messages: Set<String> = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("## ") { isInside = line == "## The log" }
            guard isInside, line.hasPrefix("| `") else { continue }
            let cell = line.dropFirst().prefix { $0 != "|" }
            for (index, part) in cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            where index % 2 == 1 { messages.insert(String(part)) }
        }
        return messages
    }

    // MARK: The sources

    /// Every text that is logged at level info or above.
    private static func loggedMessages() throws -> Set<String> {
        var messages: Set<String> = []
        let sources = repository.appending(path: "Sources")
        for folder in ["PipelineKit", "TweetProducer", "TweetLoader", "TweetTimelines"] {
            let files = FileManager.default.enumerator(atPath: sources.appending(path: folder).path)
            while let name = files?.nextObject() as? String {
                guard name.hasSuffix(".swift") else { continue }
                let text = try String(contentsOf: sources.appending(path: "\(folder)/\(name)"), encoding: .utf8)
                collect(text, into: &messages)
            }
        }
        return messages
    }

    /// Takes the texts of calls of a logger up to `metadata:`, and those in the body of a `Logger.Message` property.
    private static func collect(_ text: String, into messages: inout Set<String>) {
        let call = #/logger\??\.(?:info|notice|warning|error|critical|log)\(|\bwarn\(|: Logger\.Message \{/#
        for match in text.matches(of: call) {
            var rest = text[match.range.upperBound...]
            var depth = 1
            while depth > 0, let character = rest.first {
                if rest.hasPrefix("metadata:") { break }
                if character == "\"" {
                    messages.insert(takeLiteral(&rest))
                    continue
                }
                if "({".contains(character) { depth += 1 }
                if ")}".contains(character) { depth -= 1 }
                rest.removeFirst()
            }
        }
    }

    /// Takes a string literal, with its quotation marks, off the beginning of `rest`.
    private static func takeLiteral(_ rest: inout Substring) -> String {
        rest.removeFirst()
        var literal = ""
        while let character = rest.first, character != "\"" {
            literal.append(character)
            rest.removeFirst()
            if character == "\\", let next = rest.popFirst() { literal.append(next) }
        }
        rest = rest.dropFirst()
        return literal
    }
}
