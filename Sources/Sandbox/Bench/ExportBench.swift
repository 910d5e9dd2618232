import Core
import FoundationEssentials
import Glibc

/// `tweet-loader export` of all tweets in its formats: time, and the memory of the program.
struct ExportBench {
    let rows: Int

    private static let forms = [
        ("csv", "csv, 84 columns", ["--format", "csv"]), ("core", "csv, --columns core", ["--columns", "core"]),
        ("jsonl", "jsonl", ["--format", "jsonl"]), ("ids", "ids", ["--format", "ids"]),
    ]

    func run() throws -> [Figure] {
        let database = try BenchDatabase(countsStatements: false)
        defer { database.postgres.destroy() }
        let topic = try FilledTopic(.whole, rows: rows)
        defer { topic.kafka.process?.stop() }
        return try database.with("bench_export", topic) { url in
            tellProgress("export: loading \(rows) tweets")
            _ = try LoadRun(topic, .whole, database: url, writers: 2)
            topic.kafka.process?.stop()
            try database.postgres.query("VACUUM ANALYZE", database: "bench_export")
            return try Self.forms.flatMap { try measure($0.0, $0.1, $0.2, url) }
        }
    }

    private func measure(_ name: String, _ about: String, _ options: [String], _ url: String) throws -> [Figure] {
        tellProgress("export: \(about)")
        let folder = try SandboxFolder(user: nil)
        defer { folder.delete() }
        let arguments = ["export", "--output", "\(folder.path)/export"] + options
        let command = try ChildCommand(service: .loader, arguments, settings: ["DATABASE_URL": url])
        let start = ContinuousClock.now
        let process = try ChildProcess(command)
        var usage: ProcessUsage?
        while process.exit == nil {
            // The last look before its end; the peak only grows.
            if let now = try? ProcessUsage(of: process.processID) { usage = now }
            usleep(20_000)
        }
        let seconds = start.duration(to: .now).seconds
        guard process.exit == .status(0), let usage else {
            throw Failure(.unavailable, "tweet-loader export: \(process.exit as Any)")
        }
        let lines = try self.lines("\(folder.path)/export")
        let expected = rows + (name == "csv" || name == "core" ? 1 : 0)
        guard lines >= expected else { throw Failure(.badData, "\(lines) lines of \(expected) were exported") }
        return [
            Figure("export_\(name)_seconds", seconds, "s", "export of \(rows) tweets: \(about)"),
            Figure("export_\(name)_per_second", Double(rows) / seconds, "tweets/s", "  rate"),
            Figure("export_\(name)_peak_memory", usage.peakMiB, "MiB", "  peak memory", atMost: 256),
        ]
    }

    /// The lines of the one file of an export.
    private func lines(_ folder: String) throws -> Int {
        let (exit, output) = try ChildProcess.run(
            ChildCommand("/bin/sh", ["-c", "cat \"$0\"/tweets.* | wc -l", folder]))
        guard exit == .status(0), let count = Int(output.filter(\.isNumber)) else {
            throw Failure(.badData, "no export: \(output)")
        }
        return count
    }
}
