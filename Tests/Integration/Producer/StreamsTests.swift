import Core
import Foundation
import Glibc
import Journal
import Sandbox
import TestSupport
import Testing

@testable import TweetProducer

/// `tweet-producer streams` with Debian's own supervisord and the real producer.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct StreamsTests {
    private let host: StreamsHost

    init() throws {
        host = try StreamsHost()
    }

    private let one = StreamsHost.stream("one", token: "a")
    private let two = StreamsHost.stream("two", token: "b")

    private func text() throws -> String { try readTextFile(host.file) }

    @Test func addChangeDeactivateActivateAndRemove() throws {
        try host.startSupervisord()
        try host.declare(one, two)
        let plan = try host.streams("plan", "--exit-code")
        #expect(plan.status == 2 && plan.output.contains("+ start    one  new"), "\(plan)")
        #expect(host.derived.isEmpty, "plan changes nothing")
        #expect(try host.apply().contains("stream 'one' is up"))
        #expect(try host.streams("plan", "--exit-code").status == 0)
        let first = host.processes
        #expect(first.count == 2 && first.values.allSatisfy { $0.count == 1 }, "\(first)")

        // Exactly the changed stream restarts.
        let changed = StreamsHost.stream("two", token: "b", "settings: { journal_segment_age: 15m }")
        try host.declare(one, changed)
        let change = try host.apply()
        #expect(change.contains("~ restart  two  journal_segment_age: unset → 15m"), "\(change)")
        #expect(host.processes["one"] == first["one"] && host.processes["two"] != first["two"])
        #expect(try host.applied("one") == ["started"])
        #expect(try host.applied("two") == ["started", "changed journal_segment_age"])
        try editTheFile()
    }

    private func editTheFile() throws {
        let before = try text()
        let journal = host.folder.path + "/journal/one"
        let deactivated = try host.streams("deactivate", "one")
        #expect(deactivated.status == 0, "\(deactivated)")
        #expect(deactivated.output.contains("stream 'one' is stopped; its journal stays in \(journal)"))
        #expect(Set(host.processes.keys) == ["two"])
        #expect(try host.applied("one") == ["started", "stopped"])
        #expect(host.derived == ["conf.d/tweet-stream-two.conf", "streams/two.yaml"])
        #expect(FileManager.default.fileExists(atPath: journal + "/journal.json"))
        #expect(try text() == before.replacing("- name: one\n", with: "- name: one\n    active: false\n"))

        #expect(try host.streams("activate", "one").status == 0)
        let added = try host.streams(
            "add", "three", "--token-file", "tokens/c", "--set", "journal_keep=30d")
        #expect(added.status == 0, "\(added)")
        #expect(Set(host.processes.keys) == ["one", "two", "three"])
        let removed = try host.streams("remove", "three")
        #expect(removed.status == 0 && removed.output.contains("/journal/three"), "\(removed)")
        #expect(try host.streams("remove", "one").status == 0)
        #expect(try host.applied("one") == ["started", "stopped", "started", "removed"])
        #expect(try host.applied("three") == ["started", "removed"])
        #expect(Set(host.processes.keys) == ["two"])
        #expect(try text().contains("# ours\n") && text().contains("# another\n"))
        #expect(try text().contains("name: one") == false)
    }

    // MARK: Ends without a process

    /// Who does not run journals nothing, so `apply` does; the next start publishes it.
    @Test func theEndOfAStreamThatDoesNotRunIsJournalled() throws {
        try host.startSupervisord()
        try host.declare(one, two)
        try host.apply()
        for (stream, command, cause) in [("one", "deactivate", "stopped"), ("two", "remove", "removed")] {
            try host.stopProcess(of: stream)
            #expect(host.processes[stream] == nil)
            let result = try host.streams(command, stream)
            let journal = host.folder.path + "/journal/" + stream
            #expect(result.status == 0 && result.output.hasSuffix("its journal stays in \(journal)\n"), "\(result)")
            #expect(try host.applied(stream) == ["started", cause])
        }
        #expect(host.processes.isEmpty && host.derived.isEmpty)
        #expect(try host.streams("activate", "one").status == 0)
        #expect(try host.applied("one") == ["started", "stopped", "started"])
    }

    /// A journal that cannot be written is named, and holds nothing up.
    @Test func anEndThatCannotBeJournalledIsAnEnd() throws {
        try host.startSupervisord()
        try host.declare(one)
        try host.apply()
        try host.stopProcess(of: "one")
        try host.folder.write("{}", to: "journal/one/journal.json")
        let result = try host.streams("deactivate", "one")
        #expect(result.status == 0 && result.output.contains("journal.json is damaged"), "\(result)")
        #expect(host.derived.isEmpty)
        #expect(try host.streams("plan", "--exit-code").status == 0)
    }

    /// Root's `apply` leaves no file in a journal that the user of the streams could not write.
    @Test func aJournalStaysItsUsers() throws {
        let user = geteuid() == 0 ? "nobody" : NSUserName()
        let owner = try #require(FilePath.ids(of: user))
        let none = ["SUPERVISOR": "none", "SUPERVISOR_USER": user]
        try host.declare(one)
        #expect(try host.streams(["apply", "--yes"], settings: none).status == 0)
        try startOnce("one")
        let journal = host.folder.path + "/journal"
        // It is made anew.
        try JournalFolder.remove(journal + "/one/lock")
        let names = ["", "/one"] + (try JournalFolder.names(journal + "/one").map { "/one/" + $0 })
        for name in names {
            let owners: [FileAttributeKey: Any] = [.ownerAccountID: owner.user, .groupOwnerAccountID: owner.group]
            try FileManager.default.setAttributes(owners, ofItemAtPath: journal + name)
        }
        let result = try host.streams(["deactivate", "one"], settings: none)
        #expect(result.status == 0 && result.output.hasSuffix("\(journal)/one\n"), "\(result)")
        #expect(try host.applied("one") == ["started", "stopped"])
        let left = try JournalFolder.names(journal + "/one")
        #expect(left.contains("lock"))
        for name in left {
            #expect(try FilePath.status("\(journal)/one/\(name)")?.owner == owner.user, "\(name)")
        }
    }

    /// Leaves what a process of the stream leaves that has started and was killed.
    private func startOnce(_ stream: String) throws {
        let applied = try #require(AppliedSettings(path: "\(host.folder.path)/streams/\(stream).yaml"))
        try applied.recordStart(in: Journal.open(folder: host.folder.path + "/journal", stream: stream))
    }

    /// What a command does not name needs a confirmation, and without a terminal `--yes`.
    @Test func otherChangesNeedAConfirmation() throws {
        try host.startSupervisord()
        try host.declare(one)
        let before = try text()
        let apply = try host.streams("apply")
        #expect(apply.status == 64 && apply.errors.contains("--yes"), "\(apply)")
        let add = try host.streams("add", "two", "--token-file", "tokens/b")
        #expect(add.status == 64 && add.errors.contains("--yes"), "\(add)")
        #expect(try text() == before && host.derived.isEmpty)
    }

    @Test func errorsInTheFileChangeNothing() throws {
        try host.startSupervisord()
        try host.declare(one)
        try host.apply()
        let (files, processes) = (host.derived, host.processes)
        try host.declare(StreamsHost.stream("one", token: "a", "settings: { drain: soon }"))
        for command in ["validate", "plan", "apply"] {
            let result = try host.streams(command)
            #expect(result.status == 78 && result.errors.contains("streams.yaml:6 drain: 'soon' is not"), "\(result)")
        }
        #expect(host.derived == files && host.processes == processes)
        let list = try host.streams("list", "--json")
        #expect(list.status == 0 && list.output.contains("\"name\":\"one\""), "\(list)")
    }

    /// A stream that ends instead of starting: its settings before run again, and other streams are not held up.
    @Test func aStreamThatDoesNotStartIsRestored() throws {
        try host.startSupervisord()
        try host.declare(one)
        try host.apply()
        try JournalFolder.create(host.folder.path + "/other/one")
        try host.folder.write("{}", to: "other/one/journal.json")
        try host.declare(StreamsHost.stream("one", token: "a", "settings: { journal_dir: other }"), two)
        let apply = try host.streams("apply", "--yes")
        #expect(apply.status == 78 && apply.errors.contains("stream 'one' did not start"), "\(apply)")
        #expect(apply.output.contains("stream 'one' did not start, its earlier settings are restored: "))
        #expect(apply.output.contains("other/one/journal.json is damaged"), "the reason is the program's own")
        #expect(apply.output.contains("stream 'two' is up"))
        #expect(Set(host.processes.keys) == ["one", "two"])
        #expect(try readTextFile(host.folder.path + "/streams/one.yaml").contains("/journal'"))
        #expect(host.derived.count == 4, "\(host.derived)")
    }

    @Test func twoAppliesAtOnceDoNotInterfere() async throws {
        try host.startSupervisord()
        try host.declare(one, two)
        let results = try await withThrowingTaskGroup(of: ProducerCommand.self) { group in
            for _ in 0..<3 {
                group.addTask { [host] in try await blocking { try host.streams("apply", "--yes") } }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.allSatisfy { $0.status == 0 }, "\(results)")
        #expect(host.starts("one") == 1 && host.starts("two") == 1, "\(host.supervisordLog)")
    }

    /// A command that waits for another one applies the file that this one leaves, and writes none.
    @Test func applyReadsTheFileBehindTheLock() async throws {
        let none = ["SUPERVISOR": "none"]
        try host.declare(one, two)
        let files = StreamFiles(folder: host.folder.path + "/streams", group: nil, definitions: nil)
        let lock = try files.lock()
        async let result = blocking { [host] in try host.streams(["apply", "--yes"], settings: none) }
        #expect(try await holds { host.waitsForLock })
        try host.declare(one, StreamsHost.stream("two", token: "b", "active: false"))
        let file = try text()
        _ = consume lock
        let apply = try await result
        #expect(apply.status == 0, "\(apply)")
        #expect(try text() == file && host.derived == ["streams/one.yaml"])
    }

    /// A stream that did not run is removed as well, and the command says where its journal is.
    @Test func theJournalOfARemovedStreamIsNamedAlthoughItDidNotRun() throws {
        let none = ["SUPERVISOR": "none"]
        let journal = host.folder.path + "/journal/two"
        try JournalFolder.create(journal)
        try host.declare(one, StreamsHost.stream("two", token: "b", "active: false"))
        #expect(try host.streams(["apply", "--yes"], settings: none).status == 0)
        let removed = try host.streams(["remove", "two"], settings: none)
        #expect(removed.status == 0 && removed.output.contains("\(host.file) is written\n"), "\(removed)")
        #expect(removed.output.hasSuffix("its journal stays in \(journal)\n"), "\(removed)")
        let deactivated = try host.streams(["deactivate", "one", "--json"], settings: none)
        #expect(deactivated.status == 0 && deactivated.output.hasPrefix("{"), "\(deactivated)")
    }

    @Test func settingsFilesCanBeReadByTheGroupOnly() throws {
        try host.startSupervisord()
        try host.declare(one)
        try host.apply()
        for (name, mode) in [("streams/one.yaml", 0o640), ("conf.d/tweet-stream-one.conf", 0o644)] {
            let attributes = try FileManager.default.attributesOfItem(atPath: host.folder.path + "/" + name)
            #expect(attributes[.posixPermissions] as? Int == mode, "\(name)")
        }
    }

    // MARK: Status

    @Test func aRunningProcessIsNotHealthyByItself() throws {
        try host.startSupervisord()
        try host.declare(one, StreamsHost.stream("two", token: "b", "active: false"))
        try host.apply()
        #expect(try eventually { try host.status()["one"]?["state"]?.text == "waiting" })
        let row = try #require(try host.status()["one"])
        #expect(["RUNNING", "STARTING"].contains(row["process"]?.text) && row["is_healthy"].isFalse, "\(row)")
        #expect(row["reason"]?.text?.contains("connect") == true, "\(row)")
        let check = try host.streams("status", "--check")
        #expect(check.status == 1 && check.output.contains("BAD"), "\(check)")
        #expect(try host.status()["two"]?["state"]?.text == "inactive")
        host.stopSupervisord()
        let without = try host.streams("status")
        #expect(without.status == 69 && without.output.contains("one"), "\(without)")
    }

    /// What a file with errors declares is not known, so nothing is healthy by it.
    @Test func aFileWithErrorsIsReportedByListAndStatus() throws {
        let none = ["SUPERVISOR": "none"]
        try host.declare(one)
        #expect(try host.streams(["apply", "--yes"], settings: none).status == 0)
        try host.folder.write("stream: []\n" + text(), to: "streams.yaml")
        for command in [["list"], ["status", "--check"]] {
            let result = try host.streams(command, settings: none)
            #expect(result.status == 78 && result.output.contains("one"), "\(result)")
            #expect(result.errors.contains("streams.yaml:1: unknown key 'stream'"), "\(result)")
        }
        try host.folder.write("streams: [\n", to: "streams.yaml")
        let status = try host.streams(["status", "--check"], settings: none)
        #expect(status.status == 78 && status.errors.contains("not YAML"), "\(status)")
        #expect(status.output.contains("it is not active") && !status.output.contains("stops it"), "\(status)")
    }

    /// With `none` only settings files are written, and `status` goes by the journals.
    @Test func withoutASupervisor() throws {
        try host.declare(one)
        let none = ["SUPERVISOR": "none"]
        let apply = try host.streams("apply", "--yes", settings: none)
        #expect(apply.status == 0 && apply.output.contains("no supervisor starts it"), "\(apply)")
        #expect(host.derived == ["streams/one.yaml"])
        #expect(try host.streams("plan", "--exit-code", settings: none).status == 0)
        let status = try host.streams("status", "--check", settings: none)
        #expect(status.status == 1 && status.output.contains("stopped"), "\(status)")
        #expect(try host.streams("deactivate", "one", settings: none).status == 0)
        #expect(host.derived.isEmpty)
    }
}

extension JSONValue? {
    /// Whether it is JSON's false or another value without a text, a number or elements.
    fileprivate var isFalse: Bool {
        if case .some(.other) = self { true } else { false }
    }
}
