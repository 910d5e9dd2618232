import Foundation
import Sandbox
import TestSupport
import Testing

@testable import Journal
@testable import TweetProducer

/// The example of deploy/ with Debian's logrotate, while 2,000 lines a second come.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(5))) struct LogrotateTests {
    private static let rotations = 3
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        for name in ["log", "lib"] {
            try FileManager.default.createDirectory(
                atPath: folder.path + "/" + name, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o750])
        }
        try folder.write("", to: "lib/roll.stamp")
    }

    /// The example, with folders and a user of this machine, and for no other producer than ours.
    private func configuration(for producer: ChildProcess) throws -> String {
        let example = try String(
            contentsOf: repository.appending(path: "deploy/logrotate/tweet-pipeline"), encoding: .utf8)
        let (user, group) = try (Self.output("id", ["-un"]), Self.output("id", ["-gn"]))
        let path = folder.path + "/logrotate.conf"
        // It has a process group of its own; other tests of this process run producers, too.
        let own = "pkill -HUP -g \(producer.processID) -x tweet-producer"
        try #require(example.contains("pkill -HUP -x tweet-producer"))
        try example.replacing("/var/log/tweet-pipeline", with: folder.path + "/log")
            .replacing("/var/lib/tweet-pipeline", with: folder.path + "/lib")
            .replacing("tweet-pipeline tweet-pipeline", with: "\(user) \(group)")
            .replacing("pkill -HUP -x tweet-producer", with: own)
            .write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        return path
    }

    private static func output(_ program: String, _ arguments: [String]) throws -> String {
        let (exit, output) = try ChildProcess.run(ChildCommand("/usr/bin/env", [program] + arguments))
        #expect(exit == .status(0), "\(program): \(output)")
        return output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func rotate(_ configuration: String) throws {
        let (exit, output) = try ChildProcess.run(
            ChildCommand("/usr/sbin/logrotate", ["-f", "-s", folder.path + "/logrotate.state", configuration]))
        #expect(exit == .status(0), "\(output)")
        #expect(!output.contains("error"), "\(output)")
    }

    /// The number with which the open segment begins.
    private func openSegment() throws -> Int64 {
        try #require(try Segment.list(folder.path + "/journal/default").last).firstSeq
    }

    private func status() throws -> JournalStatus {
        try JournalStatus(folder: folder.path + "/journal", stream: "default", quota: nil)
    }

    /// All logs, the oldest first.
    private func logs() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path + "/log").sorted(by: >).map {
            try Self.output("zcat", ["-f", folder.path + "/log/" + $0])
        }
    }

    @Test func underFullLoadNothingIsLostByRotating() async throws {
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: 5, count: nil)
        configuration.rate = 2000
        let simulator = XSimulator(configuration)
        simulator.addRules([("pipeline", "rotate")])
        try await simulator.start()
        let kafka = try KafkaSandboxProcess(topics: ["tweets": 4, "tweets.events": 1])
        let producer = try start(simulator, kafka)
        let rotation = try self.configuration(for: producer)
        for number in 1...Self.rotations {
            let lines = try await holds {
                simulator.connections.last.map { $0.written.count > 2000 * number } ?? false
            }
            #expect(lines, "2,000 more lines")
            let before = try openSegment()
            try rotate(rotation)
            #expect(try await holds { try openSegment() > before }, "segment after rotation \(number)")
        }
        simulator.stopFeed()
        #expect(try await holds { simulator.isDrained }, "the end of the stream")
        // The other two are events: the start, and the connection.
        #expect(
            try await holds { try status().lastSeq >= simulator.issuedCount + 2 }, "all lines in the journal")
        #expect(producer.terminate(grace: .seconds(60)) == .status(0))
        kafka.stop()
        await simulator.stop()
        try judge(simulator)
    }

    private func start(_ simulator: XSimulator, _ kafka: KafkaSandboxProcess) throws -> ChildProcess {
        var command = try ChildCommand(
            service: .producer, ["run"],
            settings: [
                "X_URL": simulator.url, "X_BEARER_TOKEN": simulator.bearerToken, "X_LOCK_DIR": folder.path,
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers, "JOURNAL_DIR": folder.path + "/journal",
            ])
        // Archived segments would be compressed with what the stream leaves of the machine; here they are only to be counted.
        command.environment["JOURNAL_COMPRESS"] = "off"
        command.output = .file(folder.path + "/log/producer.log")
        return try ChildProcess(command)
    }

    /// Lines of X in the journal and its archive.
    private func journalled() throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for file in try ReplayFile.list(folder.path + "/journal/default") {
            try file.read { line, _ in
                let bytes = unsafe Array(line.bytes)
                if bytes.starts(with: Array(#"{"data""#.utf8)) { lines.append(bytes) }
            }
        }
        return lines
    }

    private func judge(_ simulator: XSimulator) throws {
        let sent = Set((0..<simulator.issuedCount).map { simulator.bytes(ofLine: $0) })
        let lines = try journalled()
        #expect(lines.count == sent.count && Set(lines) == sent, "every line is there once")
        #expect(try JournalVerification(folder: folder.path + "/journal", stream: "default").problems == [])
        let logs = try logs()
        #expect(logs.count == Self.rotations + 1, "the log was rotated")
        #expect(logs.last?.contains("disconnected") == true, "what came after the last rotation is in the new log")
        #expect(logs.allSatisfy { !$0.contains("\0") }, "a log that was cut is written from its beginning")
        let told = logs.reduce(0) { $0 + $1.split(separator: "SIGHUP: beginning a new journal segment").count - 1 }
        #expect(told == Self.rotations)
    }
}
