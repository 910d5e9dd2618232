import Foundation
import TestSupport
import Testing

@testable import TweetFormat
@testable import TweetLoader

/// Lines recorded from X, which may lie beside the checkout; the other suites have lines of their own.
enum RecordedLines {
    static var exist: Bool { recordings("data") != nil }

    /// The lines of all files in a folder of the recordings, by file.
    static func files(in subfolder: String = "") throws -> [String: [[UInt8]]] {
        let place = try #require(recordings("data")).appending(path: subfolder)
        let files = try FileManager.default.contentsOfDirectory(
            at: place, includingPropertiesForKeys: [.isRegularFileKey]
        )
        .filter { try $0.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true }
        .filter { $0.lastPathComponent != "SOURCES.md" }
        return try Dictionary(
            uniqueKeysWithValues: files.map { file in
                let lines = Array(try Data(contentsOf: file)).split(separator: UInt8(ascii: "\n")).map { Array($0) }
                return (file.lastPathComponent, lines)
            })
    }
}

@Suite(
    "Recorded lines", .enabled(if: RecordedLines.exist, "no recordings in ../shared/data beside the checkout"),
    .timeLimit(.minutes(5)))
struct RecordedTweetsTests {
    @Test("keys of recorded tweets are the first versions of their chains")
    func keys() throws {
        var keys = TweetKey()
        for (file, lines) in try RecordedLines.files() {
            for (number, line) in lines.enumerated() {
                let key = unsafe line.withUnsafeBytes { unsafe keys.key(of: $0) }
                #expect(key != nil, "\(file):\(number + 1)")
            }
        }
    }

    @Test("what was recorded beside tweets is a row, an event, a message or a reject, and stops nothing")
    func oddLines() throws {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        var rejects: [String: Set<String>] = [:]
        for (file, lines) in try RecordedLines.files(in: "raw") {
            for line in lines {
                guard case .reject(let reject) = decoder.decode(line, into: &rows) else { continue }
                rejects[file, default: []].insert(reject.reason)
            }
        }
        #expect(rejects["twarc-csv-bad-line.txt"] == ["not_json"])
        #expect(rejects["twarc-csv-streaming_output_with_error.jsonl"] == ["not_json"])
        #expect(rejects["academictwitteR-odd.jsonl"] == ["not_a_tweet"])
    }

    @Test("the messages that X was recorded to send in the stream are control messages")
    func controlMessages() throws {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        for line in try RecordedLines.files(in: "raw")["stream-control-messages.jsonl"] ?? [] {
            let entry = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            guard entry["where"] as? String == "in-stream", let body = entry["body"] else { continue }
            let message = Array(try JSONSerialization.data(withJSONObject: body))
            guard case .control(let control) = decoder.decode(message, into: &rows) else {
                Issue.record("no control message: \(entry["source"] ?? "")")
                continue
            }
            #expect(control.problems.first?.type == "operational-disconnect")
            #expect(control.problems.first?.disconnectType?.hasSuffix("OperationalDisconnect") == true)
        }
    }
}
