import Core
import Digests
import Foundation
import Postgres
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Export", .ownThreads, .timeLimit(.minutes(4)))
struct ExportTests {
    let database: TestDatabase
    let folder: TemporaryFolder

    init() throws {
        database = try TestDatabase()
        folder = try TemporaryFolder()
    }

    private var path: String { folder.path + "/export" }

    /// Exports into the folder.
    @discardableResult
    private func export(
        _ request: ExportRequest, segment: Int64? = nil, isCompressed: Bool = false
    ) throws -> ExportManifest {
        let connection = try database.connect()
        var export = Export(request)
        var progress = ExportProgress(isTerminal: false) { false }
        let naming = ExportFolder.Naming(
            fileExtension: request.format.fileExtension, isCompressed: isCompressed, segment: segment)
        let folder = try ExportFolder(path, naming, header: export.header)
        let manifest = try export.run(connection, to: folder, &progress)
        try folder.describe(manifest)
        return manifest
    }

    private func request(
        _ format: ExportFormat = .csv, _ columns: String = "id,text", _ selection: ExportSelection = .init()
    ) throws -> ExportRequest {
        var request = ExportRequest(selection: selection, format: format)
        request.table.columns = try #require(ExportColumn.columns(columns))
        return request
    }

    private func content(_ name: String) throws -> String {
        String(decoding: try readWholeFile("\(path)/\(name)"), as: UTF8.self)
    }

    private func names() throws -> [String] { try JournalFolder.names(path).sorted() }

    /// Three tweets, two rules and three gaps; a rule and a gap of them ended before March 2022.
    private func storeTweetsRulesAndGaps() throws {
        try Loader.claiming(database.url).settle(TestLines.batch(TestLines.tweets(3)))
        try database.query(
            """
            INSERT INTO rules VALUES (1, 'test', 'cat has:media', 'r', '2022-01-01Z', '2022-03-10Z', NULL, 'j', 1, 'j', 2),
                (2, 'test', 'dog', 'd', '2022-01-01Z', '2022-01-02Z', '2022-01-03Z', 'j', 1, 'j', 2)
            """)
        try database.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, ended_at, cause, status) VALUES
                ('test', 'j', 1, '2022-02-20Z', '2022-03-02Z', 'reset', 'open'), ('test', 'j', 2, '2022-03-05Z', NULL, 'x', 'open'),
                ('test', 'j', 3, '2022-01-05Z', '2022-01-06Z', 'early', 'open')
            """)
    }

    @Test("a folder has the rows, a manifest with counts and checksums, the rules' texts, and every gap of the window")
    func manifest() throws {
        try storeTweetsRulesAndGaps()
        let selection = ExportSelection(
            since: Timestamp("2022-03-01T00:00:00Z"), until: Timestamp("2022-04-01T00:00:00Z"))
        let manifest = try export(request(.csv, "id,text", selection))
        #expect(try names() == ["MANIFEST.json", "README.txt", "tweets.csv"])
        let first = TestLines.firstID
        #expect(
            try content("tweets.csv")
                == "\"id\",\"text\"\n" + (0..<3 as Range<Int64>).map { "\"\(first + $0)\",\"hello\"\n" }.joined())
        let file = try #require(manifest.files.first)
        let digest = try FileDigest(ofFile: path + "/tweets.csv")
        #expect(file.sha256 == digest.sha256 && file.bytes == digest.bytes && file.tweets == 3)
        #expect(file.firstID == "\(first)" && file.lastID == "\(first + 2)")
        #expect(manifest.facts.rules.map(\.value) == ["cat has:media"])
        #expect(manifest.facts.gaps.map(\.cause) == ["reset", "x"] && manifest.facts.incompleteGaps == 2)
        let json = try content("MANIFEST.json")
        for part in [
            "\"sha256\"", digest.sha256, "\"cat has:media\"", "\"first_id\" : \"\(first)\"", "\"version\" : 1",
        ] {
            #expect(json.contains(part), "\(part): \(json)")
        }
        #expect(try content("README.txt").contains("dtype=str"))
        let again = #expect(throws: ExportError.self) { try export(request()) }
        #expect(again?.description.contains("is not empty") == true)
    }

    @Test("rows are those that meet every condition, and an empty export says why")
    func conditions() throws {
        let ids = (0..<6 as Range<Int64>).map { TestLines.firstID + $0 }
        let reference = { (type: String) in #","referenced_tweets":[{"type":"\#(type)","id":"3"}]"# }
        var lines = [
            TestLines.tweet(ids[0], extra: #","lang":"en""#), TestLines.tweet(ids[1], extra: reference("quoted")),
            TestLines.tweet(ids[2], extra: reference("replied_to")),
            TestLines.tweet(ids[3], extra: reference("retweeted")),
        ]
        lines.append(#"{"data":{"id":"\#(ids[4])","text":"x"},"matching_rules":[{"id":"77","tag":"other"}]}"#)
        try Loader.claiming(database.url).settle(TestLines.batch(lines))
        func found(_ selection: ExportSelection) throws -> (ids: [Int64], empty: String?) {
            let manifest = try export(request(.ids, "id", selection))
            let text = try content("tweets.txt")
            try FileManager.default.removeItem(atPath: path)
            return (text.split(separator: "\n").compactMap { Int64($0) }, manifest.emptyBecause)
        }
        #expect(try found(.init()).ids == Array(ids[..<5]))
        #expect(try found(.init(rules: ["r"])).ids == Array(ids[..<4]))
        #expect(try found(.init(rules: ["other"])).ids == [ids[4]] && found(.init(rules: ["77"])).ids == [ids[4]])
        #expect(try found(.init(languages: ["en", "de"])).ids == [ids[0]])
        #expect(try found(.init(kinds: [.quote, .repost])).ids == [ids[1], ids[3]])
        #expect(try found(.init(streams: ["test"])).ids.count == 5)
        #expect(try found(.init(rules: ["othre"])).empty == "no rule has the tag or id 'othre'")
        #expect(try found(.init(streams: ["tset"])).empty == "no stream has the name 'tset'")
        #expect(try found(.init(languages: ["fr"])).empty == "no tweet of that time meets all conditions")
        let later = ExportSelection(since: Timestamp("2022-05-01T00:00:00Z"))
        #expect(try found(later).empty == "no tweets of that time are stored")
        let connection = try database.connect()
        #expect(try Export(request()).estimate(connection).tweetsEstimate >= 0)
    }

    @Test(
        "segments and gzip: each file has the header, and all of them together have each tweet once",
        arguments: [false, true])
    func segments(isCompressed: Bool) throws {
        try Loader.claiming(database.url).settle(TestLines.batch(TestLines.tweets(1201)))
        let manifest = try export(request(), segment: 600, isCompressed: isCompressed)
        let suffix = isCompressed ? ".gz" : ""
        #expect(manifest.files.map(\.name) == (1...3).map { "tweets-000\($0).csv\(suffix)" })
        #expect(manifest.files.map(\.tweets) == [600, 600, 1] && manifest.tweets == 1201)
        let program = """
            import csv, glob, gzip, sys
            rows = [r for f in sorted(glob.glob(sys.argv[1] + "/tweets*"))
                for r in csv.DictReader((gzip.open if f.endswith("gz") else open)(f, "rt", encoding="utf-8", newline=""))]
            print(len(rows), len({r["id"] for r in rows}), rows[0]["id"], rows[-1]["text"])
            """
        #expect(try Python.run(["-c", program, path]).output == "1201 1201 \(TestLines.firstID) hello\n")
    }

    @Test("lines are those that X sent, byte for byte where they were altered, and the same value elsewhere")
    func lines() throws {
        let odd = [
            TestLines.tweet(TestLines.firstID, text: #"a\u0000b"#),
            TestLines.tweet(TestLines.firstID + 1, text: #"\ud83d"#),
        ]
        let plain = TestLines.tweet(TestLines.firstID + 2, text: #"\n\"😀 "#)
        try Loader.claiming(database.url).settle(TestLines.batch(odd + [plain]))
        try export(request(.jsonl))
        let lines = try content("tweets.jsonl").split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        #expect(lines.count == 4 && Array(lines[..<2]) == odd && lines[3].isEmpty)
        let (a, b) = try (
            JSONSerialization.jsonObject(with: Data(lines[2].utf8)) as? NSDictionary,
            JSONSerialization.jsonObject(with: Data(plain.utf8)) as? NSDictionary
        )
        #expect(a != nil && a == b)
    }

    /// A repost with everything that a table has a column for.
    private static var fullLine: String {
        let first = TestLines.firstID
        let data = """
            "author_id":"7","lang":"en","created_at":"2022-03-06T15:00:00.000Z","conversation_id":"9",\
            "referenced_tweets":[{"type":"retweeted","id":"\(first - 5)"}],"edit_history_tweet_ids":["\(first)"],\
            "public_metrics":{"like_count":1,"retweet_count":2,"reply_count":3,"quote_count":4},\
            "geo":{"place_id":"p","coordinates":{"type":"Point","coordinates":[-73.5,40.25]}},"possibly_sensitive":true,\
            "edit_controls":{"edits_remaining":5,"is_edit_eligible":true,"editable_until":"2022-03-06T15:30:00.000Z"}
            """
        let original = """
            {"id":"\(first - 5)","text":"whole","author_id":"8","attachments":{"media_keys":["3_1"],"poll_ids":["6"]},\
            "entities":{"hashtags":[{"tag":"a"}],"mentions":[{"username":"u","id":"3"}],\
            "urls":[{"url":"s","expanded_url":"e"}]},"public_metrics":{"like_count":9}}
            """
        let includes = """
            "tweets":[\(original)],"users":[{"id":"7","username":"x","name":"X","verified":false,"url":"t",\
            "created_at":"2020-01-01T00:00:00.000Z","entities":{"url":{"urls":[{"url":"t","expanded_url":"http://x"}]}},\
            "public_metrics":{"followers_count":1,"following_count":2,"tweet_count":3,"listed_count":4}},\
            {"id":"8","username":"o"}],"places":[{"id":"p","full_name":"P, Q","country_code":"US","place_type":"city",\
            "geo":{"type":"Feature","bbox":[1.5,2,3,4]}}],"media":[{"media_key":"3_1","type":"photo","width":5}],\
            "polls":[{"id":"6","options":[{"position":1,"label":"yes","votes":2}],"voting_status":"open"}]
            """
        return
            #"{"data":{"id":"\#(first)","text":"RT",\#(data)},"includes":{\#(includes)},"matching_rules":[{"id":"1","tag":"r"}]}"#
    }

    @Test("without payloads a table has the cells that the columns give, and lines are an error that says what to do")
    func withoutPayload() throws {
        try Loader.claiming(database.url).settle(TestLines.batch([Self.fullLine]))
        try export(request(.csv, "twarc"))
        let before = try content("tweets.csv")
        try FileManager.default.removeItem(atPath: path)
        try database.query("UPDATE tweets SET payload = NULL")
        try export(request(.csv, "twarc"))
        #expect(try content("tweets.csv") == before)
        try FileManager.default.removeItem(atPath: path)
        let failure = #expect(throws: ExportError.self) { try export(request(.jsonl)) }
        #expect(failure?.description.contains("PAYLOAD=drop") == true && failure?.disposition == .reject)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("tweets that others refer to are exported on request, with what the line of the other one has of them")
    func referenced() throws {
        let first = TestLines.firstID
        let includes = #""tweets":[{"id":"\#(first - 5)","text":"old","lang":"de"}]"#
        let line =
            #"{"data":{"id":"\#(first)","text":"new"},"includes":{\#(includes)},"matching_rules":[{"id":"1","tag":"r"}]}"#
        try Loader.claiming(database.url).settle(TestLines.batch([line]))
        let selection = ExportSelection(rules: ["r"], includesReferenced: true)
        try export(request(.csv, "id,text,lang,rules", selection))
        #expect(
            try content("tweets.csv")
                == "\"id\",\"text\",\"lang\",\"rules\"\n\"\(first - 5)\",\"old\",\"de\",\"[\"\"r\"\"]\"\n"
                + "\"\(first)\",\"new\",,\"[\"\"r\"\"]\"\n")
    }

    @Test(
        "wrong options are named",
        arguments: [
            ["--format", "parquet"], ["--columns", "idd"], ["--gzip"], ["--segment", "0", "--output", "x"],
            ["--format", "ids", "--excel"], ["--since", "yesterday"],
            ["--since", "2026-01-02", "--until", "2026-01-01"],
            ["--format", "jsonl", "--include-referenced"], ["--kind", "like"],
        ])
    func options(arguments: [String]) {
        #expect(throws: (any Error).self) { _ = try ExportCommand.parse(arguments) }
    }
}
