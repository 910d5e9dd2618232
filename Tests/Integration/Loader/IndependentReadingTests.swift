import Core
import Foundation
import TestSupport
import Testing

@testable import TweetLoader

/// What every column holds, read by other means: `Fixtures/check_relations.py` knows nothing of the decoder.
@Suite("Independent reading", .enabled(if: Python.exists, "no python3"), .ownThreads, .timeLimit(.minutes(5)))
struct IndependentReadingTests {
    private static let here = URL(filePath: #filePath).deletingLastPathComponent()

    @Test("every column of made-up lines is what Python reads, and entities stand where their offsets say")
    func madeUp() throws {
        let summary = try check(Self.lines)
        #expect(summary.hasPrefix("60 lines, "))
        #expect(summary.contains(" 0 differ; 300 entities, 0 not where their offsets say"))
    }

    @Test(
        "every column of recorded lines is what Python reads",
        .enabled(
            if: recordings("data") != nil,
            "no recordings in ../shared/data beside the checkout"))
    func recorded() throws {
        let files = try FileManager.default.contentsOfDirectory(
            at: #require(recordings("data")), includingPropertiesForKeys: nil
        )
        .filter { $0.pathExtension == "jsonl" }.sorted { $0.path < $1.path }
        let lines = try files.flatMap {
            try Data(contentsOf: $0).split(separator: UInt8(ascii: "\n")).map { Array($0) }
        }
        let summary = try check(lines)
        #expect(summary.contains(" 0 differ; "))
        #expect(summary.hasSuffix(" 0 not where their offsets say"))
    }

    /// Loads lines as a loader does, lets Python compare, and answers its summary.
    private func check(_ lines: [[UInt8]]) throws -> String {
        let database = try TestDatabase()
        let loader = try Loader.claiming(database.url)
        for start in stride(from: 0, to: lines.count, by: 500) {
            try loader.settle(Self.batch(lines[start..<min(start + 500, lines.count)], firstOffset: Int64(start)))
        }
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        let folder = try TemporaryFolder()
        for relation in Relation.allCases {
            let columns = relation.columns.filter { !$0.hasPrefix("payload") }.joined(separator: ", ")
            let rows = try database.query("SELECT row_to_json(r) FROM (SELECT \(columns) FROM \(relation.table)) AS r")
            let text = rows.map { $0[0] ?? "" }.joined(separator: "\n")
            try Data(text.utf8).write(to: URL(filePath: "\(folder.path)/\(relation.table)"))
        }
        let file = "\(folder.path)/lines"
        try Data(lines.joined(separator: [UInt8(ascii: "\n")])).write(to: URL(filePath: file))
        let (output, status) = try Python.run([
            Self.here.appending(path: "Fixtures/check_relations.py").path, folder.path, file,
        ])
        #expect(status == 0, "\(output)")
        return output.split(separator: "\n").last.map(String.init) ?? ""
    }

    private static func batch(_ lines: ArraySlice<[UInt8]>, firstOffset: Int64) -> Batch {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            let offset = firstOffset + Int64(index)
            var headers = TestLines.headers(offset + 1)
            headers.receivedAt = Timestamp(milliseconds: 1_760_000_000_000 + offset)
            let record = RecordInfo(headers: headers, topicPartition: TestLines.partition, offset: offset)
            batch.add(record, key: nil, value: line, decoder: &decoder, payload: .jsonb)
        }
        return batch
    }

    // MARK: Made-up lines

    /// Texts in which bytes, UTF-16 units, code points and characters all count differently.
    private static let words = ["👩‍👩‍👧‍👦", "Zoë", "日本語", "e\u{301}", "&amp;", "𝒳", "🇩🇪", "ﷺ", "\u{200F}", "🏳️‍🌈"]

    private static let lines = (0..<60).map { number -> [UInt8] in
        let word = words[number % words.count]
        var text = String(repeating: word, count: number % 7) + " "
        var entities: [String: [[String: Any]]] = [:]
        for (kind, mark, member, name) in [
            ("hashtags", "#", "tag", "日本\(number)"), ("cashtags", "$", "tag", "T\(number)"),
            ("mentions", "@", "username", "amy\(number)"), ("urls", "", "url", "https://t.co/\(number)"),
            ("hashtags", "#", "tag", "e\u{301}\(number)"),
        ] {
            let start = text.unicodeScalars.count
            text += mark + name
            entities[kind, default: []].append([
                "start": start, "end": text.unicodeScalars.count, member: name, "expanded_url": "https://x/\(word)",
            ])
            text += " " + word
        }
        let id = "\(TestLines.firstID + Int64(number))"
        let user: [String: Any] = [
            "id": "\(number % 9)", "username": "u\(number % 9)", "name": word, "description": text,
            "created_at": "2020-01-01T00:00:00.000Z", "verified": number % 2 == 0, "protected": false, "url": "",
            "public_metrics": ["followers_count": number, "tweet_count": Int64.max, "listed_count": 0],
            "entities": ["url": ["urls": [["expanded_url": "https://\(word)/"]]]], "verified_type": "blue",
            "affiliation": ["description": word, "user_id": ["7"]], "withheld": ["country_codes": ["DE"]],
            "pinned_tweet_id": id, "location": word, "verified_followers_count": number,
        ]
        let data: [String: Any] = [
            "id": id, "text": text, "entities": entities, "author_id": "\(number % 9)", "lang": "und",
            "edit_history_tweet_ids": number % 10 == 0 ? ["\(number + 1)", id] : [id],
            "attachments": ["media_keys": ["3_\(number)"], "poll_ids": ["\(number)"]],
            "context_annotations": [
                [
                    "domain": ["id": "1", "name": word],
                    "entity": ["id": "\(number)", "name": word, "description": word],
                ]
            ],
            "referenced_tweets": [["type": "quoted", "id": "\(number + 1000)"]],
        ]
        let line: [String: Any] = [
            "data": data, "matching_rules": [["id": "1", "tag": word], ["id": "\(number)"]],
            "includes": [
                "users": [user], "tweets": [data, ["id": "\(number % 5 + 1000)", "text": word + "\(number % 5)"]],
                "media": [
                    [
                        "media_key": "3_\(number % 20)", "type": "video", "alt_text": "\(word)\(number)",
                        "width": number,
                        "variants": [["url": word, "content_type": "v"], ["url": "u", "bit_rate": number]],
                        "public_metrics": ["view_count": number], "duration_ms": number,
                    ]
                ],
                "polls": [
                    [
                        "id": "\(number % 3)", "options": [["position": 1, "label": word, "votes": number]],
                        "voting_status": "open", "end_datetime": "2026-01-01T00:00:00.000Z", "duration_minutes": 5,
                    ]
                ],
                "places": [
                    [
                        "id": "p\(number % 4)", "full_name": word, "geo": ["bbox": [-73.99, 40.5, Double(number), 41]],
                        "contained_within": [word], "country_code": "DE",
                    ]
                ],
            ],
            "errors": [["title": word, "type": "https://api.x.com/2/problems/resource-not-found", "value": text]],
        ]
        return Array((try? JSONSerialization.data(withJSONObject: line)) ?? Data())
    }
}

/// The Python of this machine.
enum Python {
    static var exists: Bool { path != nil }

    private static var path: String? {
        let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
        return folders.map { "\($0)/python3" }.first(where: FileManager.default.isExecutableFile)
    }

    /// Runs a script; what it prints, and its status.
    static func run(_ arguments: [String]) throws -> (output: String, status: Int32) {
        let process = Process()
        process.executableURL = path.map { URL(filePath: $0) }
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (String(decoding: output, as: UTF8.self), process.terminationStatus)
    }
}
