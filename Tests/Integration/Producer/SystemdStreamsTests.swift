import Core
import Foundation
import Sandbox
import TestSupport
import Testing

/// `tweet-producer streams` with a systemctl that keeps its units in files and records every call.
///
/// It starts nothing: that a started unit is up is systemd's word (`Type=notify`), and `systemd-analyze verify` reads the real
/// units.
@Suite(.ownThreads, .timeLimit(.minutes(3))) struct SystemdStreamsTests {
    private let host: StreamsHost

    init() throws {
        host = try StreamsHost()
        try JournalFolder.create(host.folder.path + "/units")
        try host.folder.write(Self.systemctl, to: "systemctl")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: host.folder.path + "/systemctl")
    }

    private static let systemctl = """
        #!/usr/bin/python3
        import fnmatch, os, sys
        root = os.path.dirname(os.path.abspath(__file__))
        units = root + "/units/"
        words = [word for word in sys.argv[1:] if not word.startswith("-")]
        verb, names = words[0], words[1:]
        if verb != "show":
            open(root + "/calls", "a").write(" ".join(sys.argv[2:]) + "\\n")
        def has(name, part): return os.path.exists(units + name + part)
        def set_to(name, part, wanted):
            if wanted: open(units + name + part, "w").close()
            elif has(name, part): os.remove(units + name + part)
        if os.path.exists(root + "/broken"):
            sys.exit("System has not been booted with systemd as init system (PID 1). Can't operate.")
        if verb == "show":
            known = sorted({name.rsplit(":", 1)[0] for name in os.listdir(units)})
            found = [k for n in names if "*" in n for k in fnmatch.filter(known, n)] + [n for n in names if "*" not in n]
            for name in found:
                state = "active" if has(name, ":active") else "failed" if has(name, ":failed") else "inactive"
                sub = {"active": "running", "failed": "failed", "inactive": "dead"}[state]
                print("Id=%s\\nLoadState=%s\\nActiveState=%s\\nSubState=%s\\nResult=%s\\nExecMainStatus=%s\\nMainPID=%s\\n"
                    "UnitFileState=%s\\nNeedDaemonReload=no\\n" % (name,
                    "not-found" if os.path.exists(root + "/without-unit") else "loaded", state, sub,
                    "exit-code" if state == "failed" else "success", 78 if state == "failed" else 0,
                    7 if state == "active" else 0, "enabled" if has(name, ":enabled") else "disabled"))
        for name in names if verb != "show" else []:
            if verb == "enable": set_to(name, ":enabled", True)
            if verb == "disable":
                set_to(name, ":enabled", False)
                set_to(name, ":active", False)
            if verb == "reset-failed": set_to(name, ":failed", False)
            if verb == "start":
                stream = name[len("tweet-producer@"):-len(".service")]
                fails = "bad" in open("%s/streams/%s.yaml" % (root, stream)).read()
                set_to(name, ":failed" if fails else ":active", True)
                if fails: sys.exit("Job for %s failed because the control process exited with error code." % name)

        """

    private func streams(_ arguments: String...) throws -> ProducerCommand {
        try host.streams(arguments, settings: ["SUPERVISOR": "systemd", "PATH": "\(host.folder.path):/usr/bin:/bin"])
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
        #expect(try streams("apply", "--yes").status == 0)
        func begin(_ unit: String) -> [String] {
            ["disable --now --quiet \(unit)", "reset-failed \(unit)", "enable --quiet \(unit)", "start \(unit)"]
        }
        let (first, second) = ("tweet-producer@one.service", "tweet-producer@my-stream.service")
        #expect(try calls() == begin(second) + begin(first), "stopped before it is started")
        #expect(host.derived == ["streams/my-stream.yaml", "streams/one.yaml"])
        #expect(try streams("plan", "--exit-code").status == 0)

        try host.declare(with("journal_keep: 30d"), StreamsHost.stream("my-stream", token: "b"))
        #expect(try streams("apply", "--yes").status == 0)
        #expect(try calls() == begin(first), "the other stream goes on")
        #expect(try streams("deactivate", "one").status == 0)
        #expect(try calls() == Array(begin(first).prefix(2)))
        #expect(try streams("remove", "my-stream").status == 0)
        #expect(try calls() == Array(begin(second).prefix(2)) && host.derived.isEmpty)
    }

    @Test func aStreamThatDoesNotStartIsRestored() throws {
        try host.declare(one)
        #expect(try streams("apply", "--yes").status == 0)
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
        #expect(try streams("apply", "--yes").status == 0)
        let unit = "units/tweet-producer@one.service"
        try JournalFolder.remove(host.folder.path + "/\(unit):enabled")
        #expect(try streams("plan").output.contains("the supervisor has not loaded its settings"))
        try JournalFolder.remove(host.folder.path + "/\(unit):active")
        #expect(try streams("plan").output.contains("does not run: inactive (dead)"))
        try host.folder.write("", to: "units/tweet-producer@left.service:active")
        try host.folder.write("", to: "units/other@x.service:active")
        #expect(try streams("plan").output.contains("- stop     left"))
        #expect(try streams("apply", "--yes").status == 0)
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
