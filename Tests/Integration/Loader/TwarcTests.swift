import Core
import Foundation
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

/// Tables compared with those that twarc-csv writes of the same recorded lines.
@Suite(.enabled(if: recordings("data") != nil, "no recordings"), .ownThreads, .timeLimit(.minutes(10)))
struct TwarcTests {
    @Test("every cell is that of twarc-csv but for the differences of form that docs/export.md names")
    func everyCell() throws {
        let folder = try TemporaryFolder()
        let database = try TestDatabase()
        let lines = try recordedLines()
        let loader = try Loader.claiming(database.url)
        for start in stride(from: 0, to: lines.count, by: 500) {
            let part = lines[start..<min(start + 500, lines.count)]
            try loader.settle(TestLines.batch(part.map(Optional.some), firstOffset: Int64(start)))
        }
        try folder.write(lines.joined(separator: "\n") + "\n", to: "lines.jsonl")
        var export = Export(ExportRequest(table: TableForm(newlines: .escape)))
        var progress = ExportProgress(isTerminal: false) { false }
        let output = try ExportFolder(folder.path + "/export", .init(fileExtension: "csv"), header: export.header)
        // As the command does: tweets of fifteen years lie in as many months, and each row looks into them.
        var conninfo = try PostgresConninfo(database.url)
        conninfo.statementTimeout = .seconds(600)
        _ = try export.run(PostgresConnection.connect(conninfo), to: output, &progress)
        let result = try compare(folder.path)
        let summary = result.split(separator: "\n").last ?? ""
        let numbers = summary.matches(of: /[0-9]+/).compactMap { Int($0.output) }
        #expect(summary.contains(" 0 differ; twarc-csv fails on "), "\(result)")
        // Each tweet is compared, or one that twarc-csv fails on.
        #expect(
            numbers.count == 4 && numbers[0] + numbers[3] == lines.count && numbers[3] * 100 < lines.count, "\(summary)"
        )
        print("twarc-csv: \(summary)")
    }

    /// Each recorded tweet once.
    private func recordedLines() throws -> [String] {
        var seen: Set<String> = []
        return try FileManager.default.contentsOfDirectory(atPath: #require(recordings("data")).path)
            .filter { $0.hasSuffix(".jsonl") }.sorted().flatMap { name in
                try String(contentsOf: #require(recordings("data")).appending(path: name), encoding: .utf8)
                    .split(separator: "\n").map(String.init)
            }
            // A tweet that was recorded twice has two states, of which the database keeps one.
            .filter { line in
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                guard let id = (object?["data"] as? [String: Any])?["id"] as? String else { return false }
                return seen.insert(id).inserted
            }
    }

    /// What the comparison prints.
    private func compare(_ folder: String) throws -> String {
        let process = Process()
        process.executableURL = repository.appending(path: "scripts/python.sh")
        process.arguments = ["compare-twarc", folder + "/lines.jsonl", folder + "/export/tweets.csv"]
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let result = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return result
    }
}
