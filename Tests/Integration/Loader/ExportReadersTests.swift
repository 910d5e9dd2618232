import Core
import Foundation
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

/// Exports as others read them, with the lines of docs/export.md.
@Suite("Readers of exports", .ownThreads, .timeLimit(.minutes(5)))
struct ExportReadersTests {
    private let database: TestDatabase
    private let folder: TemporaryFolder

    /// Tweets of April 2026 whose ids floating point numbers cannot hold, with texts that are hard to read in.
    init() throws {
        database = try TestDatabase()
        folder = try TemporaryFolder()
        let moment = try #require(Timestamp("2026-04-10T12:00:00Z"))
        let first = try #require(Snowflake.firstID(at: moment)) + 1
        let texts = [
            "plain", "a \"quoted\", word; and\ttab", "two\nlines\r\nand more", "=1+1", "NA", "null", " space ",
            "😀 e\u{301} ü", "1e5",
            "007", "&amp; &lt;", "back\\slash \\n", "'", "\u{2028}", "123456789012345678901",
        ]
        var expected: [[String]] = []
        let lines = try texts.enumerated().map { place, text -> String? in
            let id = first + Int64(place) * 2
            let reply = place % 3 == 0 ? "\(id - 1_000_001)" : ""
            expected.append(["\(id)", reply, text])
            let data: [String: Any] = [
                "id": "\(id)", "text": text, "author_id": "7",
                "referenced_tweets": reply.isEmpty ? [] : [["type": "replied_to", "id": reply]],
            ]
            let line: [String: Any] = ["data": data, "matching_rules": [["id": "1", "tag": "r"]]]
            return String(decoding: try JSONSerialization.data(withJSONObject: line), as: UTF8.self)
        }
        try Loader.claiming(database.url).settle(TestLines.batch(lines))
        for format in ExportFormat.allCases { try export(format) }
        let json = try JSONSerialization.data(withJSONObject: expected)
        try folder.write(String(decoding: json, as: UTF8.self), to: "expected.json")
    }

    private func export(_ format: ExportFormat) throws {
        var export = Export(ExportRequest(format: format))
        var progress = ExportProgress(isTerminal: false) { false }
        let output = try ExportFolder(
            "\(folder.path)/\(format)", .init(fileExtension: format.fileExtension), header: export.header)
        try output.describe(try export.run(database.connect(), to: output, &progress))
    }

    /// What scripts/export-readers.py prints.
    private func read(_ more: [String] = []) throws -> String {
        let process = Process()
        process.executableURL = repository.appending(path: "scripts/python.sh")
        process.arguments = ["export-readers", folder.path, database.url] + more
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return process.terminationStatus == 0 ? output : "status \(process.terminationStatus): \(output)"
    }

    private static let readers = [
        "pandas csv", "pandas jsonl", "pandas ids", "DuckDB csv", "DuckDB jsonl", "Parquet of csv",
        "Parquet of PostgreSQL",
    ]

    @Test("pandas and DuckDB read ids and texts unchanged, from each format and from Parquet, by the documented lines")
    func pandasAndDuckDB() throws {
        #expect(try read() == Self.readers.map { "\($0): 15 tweets\n" }.joined())
    }

    @Test(
        "R reads ids and texts unchanged by the documented line",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/Rscript"), "needs Debian's r-base-core"))
    func languageR() throws {
        #expect(try read(["R"]).hasSuffix("\nR csv: 15 tweets\n"))
    }
}
