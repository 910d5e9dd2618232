import Foundation
import Glibc
import Sandbox
import Testing

@Suite("demo", .timeLimit(.minutes(5)))
struct DemoTests {
    private func demo(_ arguments: [String]) throws -> ChildProcess {
        var command = ChildCommand(try siblingExecutable("sandbox"), ["demo"] + arguments)
        command.output = .pipe
        command.errors = .inherit
        return try ChildProcess(command)
    }

    @Test("a file's tweets are all in the table, each once, though everything is killed")
    func input() throws {
        let generator = TweetGenerator(seed: 5)
        let lines = (0..<120).map { String(decoding: generator.line($0), as: UTF8.self) }
        let file = NSTemporaryDirectory() + "demo-\(UUID()).jsonl"
        // A repeated tweet is stored once, a broken line becomes a reject, CR LF and empty lines are as good as LF.
        try (lines + [lines[7], "\r\n{\"data\":", lines[8] + "\r"]).joined(separator: "\n")
            .write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        let child = try demo(["--seconds", "6", "--input", file])
        let output = child.readAll()
        #expect(child.wait() == .status(0), "\(output)")
        let last = try #require(output.split(separator: "\n").last)
        let counts = last.split(separator: " ").compactMap { word -> Int? in
            word.split(separator: "=").dropFirst().first.flatMap { Int($0) }
        }
        try #require(last.hasPrefix("demo: ok received=") && counts.count == 5)
        #expect(counts[1] == 120)
        #expect(counts[0] == counts[1] + counts[2] + counts[3])
        #expect(counts[3] >= 1)
        #expect(counts[4] == 0)
    }

    @Test("with --timelines, every timeline has what X offered to its user, though everything is killed")
    func timelines() throws {
        let child = try demo(["--timelines", "--seconds", "8"])
        let output = child.readAll()
        #expect(child.wait() == .status(0), "\(output)")
        let last = try #require(output.split(separator: "\n").last)
        #expect(
            last.hasPrefix("demo: ok users=12 entries=") && last.hasSuffix("missing=0 never_offered=0"), "\(output)")
        #expect(output.contains("SELECT remove_x_account(12)") && output.contains("login_needed"), "\(output)")
    }

    @Test("Ctrl-C in the middle leaves nothing behind")
    func interrupt() throws {
        let child = try demo([])
        var url: Substring?
        while let line = child.readLine(timeout: .seconds(90)), url == nil {
            url = line.split(separator: " ").first { $0.hasPrefix("postgresql://") }
        }
        child.send(SIGINT)
        let rest = child.readAll()
        #expect(rest.hasSuffix("demo: failed: interrupted\n"))
        #expect(child.wait() == .status(75))
        let database = try #require(url)
        let psql = try ChildProcess.run(ChildCommand("/usr/bin/env", ["psql", "-Xc", "SELECT 1", String(database)]))
        #expect(psql.exit == .status(2))
    }

    @Test("a file that cannot be read is named, before anything is started")
    func missingInput() throws {
        let (exit, output) = try ChildProcess.run(
            ChildCommand(try siblingExecutable("sandbox"), ["demo", "--input", "/nonexistent/file"]))
        #expect(exit == .status(65))
        #expect(output.contains("/nonexistent/file"))
    }
}
