import Foundation
import Testing

@testable import PipelineKit

/// Lines recorded from X, which may lie beside the checkout; the other suites have lines of their own.
enum RecordedLines {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../../../shared/data").standardizedFileURL

    static var exist: Bool { FileManager.default.fileExists(atPath: folder.path) }

    /// The lines of all files in a folder of the recordings, by file.
    static func files(in subfolder: String = "") throws -> [String: [[UInt8]]] {
        let place = folder.appending(path: subfolder)
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
    @Test("every recorded tweet is a row, and PostgreSQL reads from the payload what the columns say")
    func tweets() throws {
        var database = try TweetsDatabase()
        try database.connection.execute(TweetRow.createStagingSQL)
        try database.connection.execute("BEGIN")
        var count = 0
        for (_, lines) in try RecordedLines.files() {
            count += lines.count
            #expect(try database.copy(lines, into: TweetRow.staging) == lines.count)
        }
        #expect(try database.value("SELECT count(*) FROM tweets_staging") == "\(count)")
        #expect(try database.value("SELECT count(*) FROM tweets_staging WHERE text_altered") == "0")
        for (column, path, type) in Self.columns {
            let differing = try database.value(
                """
                SELECT count(*) FROM tweets_staging
                WHERE \(column) IS DISTINCT FROM (payload #>> '{data,\(path)}')::\(type)
                """)
            #expect(differing == "0", "\(column)")
        }
        for (column, path, member, type) in Self.lists {
            let differing = try database.value(
                """
                SELECT count(*) FROM tweets_staging
                WHERE \(column) IS DISTINCT FROM (
                    SELECT array_agg((element \(member))::\(type) ORDER BY place)
                    FROM jsonb_array_elements(payload #> '{\(path)}') WITH ORDINALITY AS list (element, place)
                    HAVING jsonb_typeof(payload #> '{\(path)}') = 'array')
                """)
            #expect(differing == "0", "\(column)")
        }
    }

    /// Columns that are one member of `data`, with the member's path and the type to compare as.
    private static let columns =
        [
            ("id", "id", "bigint"), ("created_at", "created_at", "timestamptz"), ("author_id", "author_id", "bigint"),
            ("text", "text", "text"), ("lang", "lang", "text"), ("conversation_id", "conversation_id", "bigint"),
            ("in_reply_to_user_id", "in_reply_to_user_id", "bigint"), ("source", "source", "text"),
            ("is_edit_eligible", "edit_controls,is_edit_eligible", "boolean"),
            ("editable_until", "edit_controls,editable_until", "timestamptz"),
            ("edits_remaining", "edit_controls,edits_remaining", "integer"),
            ("place_id", "geo,place_id", "text"), ("longitude", "geo,coordinates,coordinates,0", "float8"),
            ("latitude", "geo,coordinates,coordinates,1", "float8"), ("reply_settings", "reply_settings", "text"),
            ("possibly_sensitive", "possibly_sensitive", "boolean"), ("community_id", "community_id", "bigint"),
            ("withheld_copyright", "withheld,copyright", "boolean"), ("withheld_scope", "withheld,scope", "text"),
        ]
        + ["retweet", "reply", "like", "quote", "bookmark", "impression"].map {
            ("\($0)_count", "public_metrics,\($0)_count", "bigint")
        }

    /// Columns that are lists: the list's path, the member of its elements, and the type to compare as.
    private static let lists = [
        ("edit_ids", "data,edit_history_tweet_ids", "#>> '{}'", "bigint"),
        ("hashtags", "data,entities,hashtags", "->> 'tag'", "text"),
        ("cashtags", "data,entities,cashtags", "->> 'tag'", "text"),
        ("mentions", "data,entities,mentions", "->> 'username'", "text"),
        ("mention_ids", "data,entities,mentions", "->> 'id'", "bigint"),
        ("urls", "data,entities,urls", "->> 'url'", "text"),
        ("expanded_urls", "data,entities,urls", "->> 'expanded_url'", "text"),
        ("media_keys", "data,attachments,media_keys", "#>> '{}'", "text"),
        ("poll_ids", "data,attachments,poll_ids", "#>> '{}'", "bigint"),
        ("withheld_countries", "data,withheld,country_codes", "#>> '{}'", "text"),
        ("rule_ids", "matching_rules", "->> 'id'", "bigint"),
        ("rule_tags", "matching_rules", "->> 'tag'", "text"),
    ]

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
        var rows = CopyBuffer()
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
        var rows = CopyBuffer()
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
