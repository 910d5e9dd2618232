import Core
import Foundation
import Glibc
import TestSupport
import Testing

/// Another `SUPERVISOR`: the streams move, and the one before keeps neither process nor file.
///
/// With Debian's supervisord. A systemctl in files has systemd's part; scripts/systemd-host.sh shows the same with the real one.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct FormerSupervisorTests {
    private let host: StreamsHost

    init() throws {
        host = try StreamsHost()
        try FakeSystemctl.install(in: host)
        try host.declare(StreamsHost.stream("one", token: "a"), StreamsHost.stream("two", token: "b"))
    }

    private static let files = ["streams/one.yaml", "streams/two.yaml"]
    private static let programs = ["conf.d/tweet-stream-one.conf", "conf.d/tweet-stream-two.conf"]
    private static let units = ["one", "two"].flatMap { name in
        ["active", "enabled"].map { "tweet-producer@\(name).service:\($0)" }
    }

    private func apply(_ supervisor: String, _ more: [String: String] = [:]) throws -> ProducerCommand {
        try streams(["apply", "--yes"], supervisor, more)
    }

    private func streams(
        _ words: [String], _ supervisor: String, _ more: [String: String] = [:]
    ) throws -> ProducerCommand {
        let settings = FakeSystemctl.settings(host).merging(["SUPERVISOR": supervisor]) { $1 }
        return try host.streams(words, settings: settings.merging(more) { $1 })
    }

    @Test func streamsMoveToSystemdAndBack() throws {
        try host.writeForeignFiles()
        try host.startSupervisord()
        #expect(try apply("supervisord").status == 0)
        #expect(Set(host.processes.keys) == ["one", "two"])
        let foreign = try host.foreignFiles()
        let plan = try streams(["plan", "--exit-code"], "systemd")
        #expect(plan.status == 2 && plan.output.contains("~ restart  one  moves from supervisord\n"), "\(plan)")
        #expect(Set(host.processes.keys) == ["one", "two"], "plan changes nothing")

        let moved = try apply("systemd")
        #expect(moved.status == 0 && moved.output.contains("stream 'two' is up"), "\(moved)")
        #expect(host.processes.isEmpty && host.derived == Self.files, "\(host.processes) \(host.derived)")
        #expect(try FakeSystemctl.units(host) == Self.units)
        #expect(try streams(["plan", "--exit-code"], "systemd").status == 0)
        host.stopSupervisord()
        try host.startSupervisord()
        #expect(eventually { host.starts(ofProgram: "others") == 2 })
        #expect(host.processes.isEmpty, "supervisord starts nothing of ours again")

        #expect(try apply("supervisord").status == 0)
        #expect(try FakeSystemctl.units(host) == [])
        #expect(host.processes.mapValues(\.count) == ["one": 1, "two": 1])
        #expect(host.derived == Self.programs + Self.files)
        #expect(try host.foreignFiles() == foreign)
        #expect(!FileManager.default.fileExists(atPath: host.folder.path + "/twice"))
        #expect(try host.applied("one") == ["started"], "a stream that moves is the same stream")
    }

    /// Without a supervisor nobody starts the streams; that an administrator does by hand.
    @Test func streamsLeaveSupervisordWithoutAnotherOne() throws {
        try host.startSupervisord()
        #expect(try apply("supervisord").status == 0)
        let plan = try streams(["plan"], "none")
        #expect(plan.output.contains("one  leaves supervisord\n"), "\(plan)")
        let left = try apply("none")
        #expect(left.status == 0 && left.output.contains("no supervisor starts it"), "\(left)")
        #expect(host.processes.isEmpty && host.derived == Self.files)
        #expect(try streams(["plan", "--exit-code"], "none").status == 0)
        #expect(try apply("supervisord").status == 0)
        #expect(host.processes.mapValues(\.count) == ["one": 1, "two": 1])
    }

    /// A stream that is removed while the others move is ended where it runs, and its journal says so.
    @Test func aStreamThatIsRemovedMeanwhileEndsWhereItWas() throws {
        try host.startSupervisord()
        #expect(try apply("supervisord").status == 0)
        let removed = try streams(["remove", "one", "--yes"], "systemd")
        #expect(removed.status == 0 && removed.output.contains("stream 'one' is stopped"), "\(removed)")
        #expect(host.processes.isEmpty && host.derived == ["streams/two.yaml"])
        #expect(try host.applied("one") == ["started", "removed"])
        #expect(try FakeSystemctl.units(host) == Array(Self.units.suffix(2)))
    }

    /// supervisord was ended before; the files of its programs go, also without the record of what was used.
    @Test func filesOfASupervisordThatDoesNotRunAreRemoved() throws {
        try host.startSupervisord()
        #expect(try apply("supervisord").status == 0)
        host.stopSupervisord()
        try JournalFolder.remove(host.folder.path + "/streams/.supervisors")
        let moved = try apply("systemd")
        #expect(moved.status == 0 && moved.output.contains("moves from supervisord"), "\(moved)")
        #expect(host.derived == Self.files)
        #expect(try FakeSystemctl.units(host) == Self.units)
        try host.startSupervisord()
        #expect(try streams(["plan", "--exit-code"], "systemd").status == 0)
        #expect(host.processes.isEmpty && host.starts("one") == 1)
    }

    /// The next apply completes it, whether it goes on or back.
    @Test func f78AKillDuringAMoveIsCompletedByTheNextApply() throws {
        try host.declare(StreamsHost.stream("one", token: "a"))
        try host.startSupervisord()
        var (step, isKilled) = (0, true)
        while isKilled {
            step += 1
            #expect(try apply("supervisord").status == 0)
            let move = try apply("systemd", ["TWEET_FAILPOINT": "streams:\(step)"])
            isKilled = move.status == SIGKILL
            #expect(isKilled || move.status == 0, "step \(step): \(move)")
            if step % 2 == 0 {
                #expect(try apply("supervisord").status == 0)
                #expect(host.processes.mapValues(\.count) == ["one": 1], "step \(step)")
                #expect(try FakeSystemctl.units(host) == [], "step \(step)")
            } else {
                #expect(try apply("systemd").status == 0)
                #expect(host.processes.isEmpty && host.derived == ["streams/one.yaml"], "step \(step): \(host.derived)")
                #expect(try FakeSystemctl.units(host) == Array(Self.units.prefix(2)), "step \(step)")
            }
        }
        #expect(step >= 8, "\(step) steps")
        #expect(!FileManager.default.fileExists(atPath: host.folder.path + "/twice"))
    }
}
