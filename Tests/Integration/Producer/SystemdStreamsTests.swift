import Core
import Foundation
import Sandbox
import TestSupport
import Testing

/// `tweet-producer streams` with a systemctl that keeps its units in files and records every call.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct SystemdStreamsTests {
    private let host: StreamsHost

    init() throws {
        host = try StreamsHost()
        try FakeSystemctl.install(in: host)
    }

    private func streams(_ arguments: String...) throws -> ProducerCommand {
        try host.streams(arguments, settings: FakeSystemctl.settings(host))
    }

    /// Applies the file, which must succeed.
    private func apply(at location: SourceLocation = #_sourceLocation) throws {
        let command = try streams("apply", "--yes")
        #expect(command.status == 0, "\(command)", sourceLocation: location)
    }

    /// What was called since the last look.
    private func calls() throws -> [String] {
        let path = host.folder.path + "/calls"
        let text = (try? readTextFile(path)) ?? ""
        try JournalFolder.remove(path)
        return text.split(separator: "\n").map(String.init)
    }

    private let one = StreamsHost.stream("one", token: "a")
    private func with(_ setting: String) -> String { StreamsHost.stream("one", token: "a", "settings: { \(setting) }") }

    @Test func addChangeDeactivateAndRemove() throws {
        try host.declare(one, StreamsHost.stream("my-stream", token: "b"))
        #expect(try streams("plan", "--exit-code").status == 2)
        #expect(try calls() == [], "plan changes nothing")
        try apply()
        func begin(_ unit: String) -> [String] {
            ["disable --now --quiet \(unit)", "reset-failed \(unit)", "enable --quiet \(unit)", "start \(unit)"]
        }
        let (first, second) = ("tweet-producer@one.service", "tweet-producer@my-stream.service")
        #expect(try calls() == begin(second) + begin(first), "stopped before it is started")
        #expect(host.derived == ["streams/my-stream.yaml", "streams/one.yaml"])
        #expect(try streams("plan", "--exit-code").status == 0)

        try host.declare(with("journal_keep: 30d"), StreamsHost.stream("my-stream", token: "b"))
        try apply()
        #expect(try calls() == begin(first), "the other stream goes on")
        #expect(try streams("deactivate", "one").status == 0)
        #expect(try calls() == Array(begin(first).prefix(2)))
        #expect(try streams("remove", "my-stream").status == 0)
        #expect(try calls() == Array(begin(second).prefix(2)) && host.derived.isEmpty)
    }

    @Test func aStreamThatDoesNotStartIsRestored() throws {
        try host.declare(one)
        try apply()
        let before = try readTextFile(host.folder.path + "/streams/one.yaml")
        try host.declare(with("kafka_topic: bad"))
        let apply = try streams("apply", "--yes")
        #expect(apply.status == 78, "\(apply)")
        #expect(
            apply.output.contains(
                "its earlier settings are restored: exit-code, exit status 78; see journalctl -u tweet-producer@one.service"
            ),
            "\(apply)")
        #expect(try readTextFile(host.folder.path + "/streams/one.yaml") == before)
        #expect(FileManager.default.fileExists(atPath: host.folder.path + "/units/tweet-producer@one.service:active"))
    }

    /// A unit that was stopped, disabled or left behind by hand is part of the plan; others' units are not.
    @Test func unitsThatDifferAreCorrected() throws {
        try host.declare(one)
        try apply()
        let unit = "units/tweet-producer@one.service"
        try JournalFolder.remove(host.folder.path + "/\(unit):enabled")
        #expect(try streams("plan").output.contains("the supervisor has not loaded its settings"))
        try JournalFolder.remove(host.folder.path + "/\(unit):active")
        #expect(try streams("plan").output.contains("does not run: inactive (dead)"))
        try host.folder.write("", to: "units/tweet-producer@left.service:active")
        try host.folder.write("", to: "units/other@x.service:active")
        #expect(try streams("plan").output.contains("- stop     left"))
        try apply()
        let left = try JournalFolder.names(host.folder.path + "/units").sorted()
        #expect(
            left == [
                "other@x.service:active", "tweet-producer@one.service:active", "tweet-producer@one.service:enabled",
            ])
    }

    @Test func withoutSystemdOrTheUnitNothingIsWritten() throws {
        try host.declare(one)
        try host.folder.write("", to: "broken")
        let without = try streams("apply", "--yes")
        #expect(
            without.status == 69 && without.errors.contains("System has not been booted with systemd"), "\(without)")
        try JournalFolder.remove(host.folder.path + "/broken")
        try host.folder.write("", to: "without-unit")
        let unit = try streams("apply", "--yes")
        #expect(unit.status == 78 && unit.errors.contains("install deploy/systemd/tweet-producer@.service"), "\(unit)")
        #expect(host.derived.isEmpty)
    }
}
