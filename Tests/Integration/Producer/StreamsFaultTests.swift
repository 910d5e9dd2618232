import Core
import Foundation
import Glibc
import Sandbox
import TestSupport
import Testing

/// What can go wrong around `tweet-producer streams`: rows F77 to F80 of docs/faults.md, with Debian's supervisord.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct StreamsFaultTests {
    private let host: StreamsHost

    init() throws {
        host = try StreamsHost()
    }

    private let one = StreamsHost.stream("one", token: "a")
    private let two = StreamsHost.stream("two", token: "b")

    // MARK: F77

    @Test func f77WithoutSupervisordNothingIsHalfApplied() throws {
        try host.declare(one)
        for command in ["plan", "apply"] {
            let result = try host.streams(command)
            #expect(result.status == 69 && result.errors.contains("supervisor.sock"), "\(result)")
        }
        #expect(host.derived.isEmpty)
        try host.startSupervisord()
        try host.apply()
        #expect(Set(host.processes.keys) == ["one"])
    }

    @Test func f77ABrokenForeignFileIsNamedWithItsLine() throws {
        try host.startSupervisord()
        try host.declare(one)
        try host.apply()
        let (files, processes) = (host.derived, host.processes)
        for text in ["nonsense\n", "[program:other]\nstartsecs=x\ncommand=/bin/true\n"] {
            try host.folder.write(text, to: "conf.d/foreign.conf")
            try host.declare(one, two)
            let apply = try host.streams("apply", "--yes")
            #expect(apply.status == 78 && apply.errors.contains("conf.d/foreign.conf"), "\(apply)")
            if text == "nonsense\n" { #expect(apply.errors.contains("1"), "the line") }
            #expect(Set(host.derived) == Set(files + ["conf.d/foreign.conf"]) && host.processes == processes)
            #expect(try readTextFile(host.folder.path + "/conf.d/foreign.conf") == text)
        }
        try JournalFolder.remove(host.folder.path + "/conf.d/foreign.conf")
        try host.apply()
        #expect(Set(host.processes.keys) == ["one", "two"])
    }

    @Test func f77AForeignProgramOfTheSameNameIsNamed() throws {
        try host.startSupervisord()
        try host.folder.write("; foreign\n[program:tweet-stream-one]\ncommand=/bin/sleep 1\n", to: "conf.d/x.conf")
        try host.declare(one)
        let apply = try host.streams("apply", "--yes")
        #expect(apply.status == 78 && apply.errors.contains("conf.d/x.conf:2: [program:tweet-stream-one]"), "\(apply)")
    }

    @Test func f77ASocketThatEveryUserMayWriteToIsRejected() throws {
        try host.startSupervisord()
        try host.declare(one)
        let socket = host.folder.path + "/supervisor.sock"
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: socket)
        for command in ["plan", "apply"] {
            let result = try host.streams(command)
            #expect(result.status == 78 && result.errors.contains("\(socket): every user may write to it"), "\(result)")
        }
        #expect(host.derived.isEmpty)
    }

    @Test func f77StreamsReturnWithSupervisord() throws {
        try host.startSupervisord()
        try host.declare(one, two)
        try host.apply()
        host.stopSupervisord()
        #expect(host.processes.isEmpty, "it ends what it has started")
        try host.startSupervisord()
        #expect(eventually { Set(host.processes.keys) == ["one", "two"] })
        #expect(try eventually { try host.streams("plan", "--exit-code").status == 0 })
    }

    /// supervisord ends while `apply` waits for it; the next apply converges.
    @Test func f77SupervisordEndsDuringApply() async throws {
        try host.startSupervisord()
        try host.declare(one, two)
        async let apply = blocking { [host] in try host.streams("apply", "--yes") }
        let isUnderWay = try await holds { host.starts("one") == 1 }
        #expect(isUnderWay)
        try await blocking { [host] in host.stopSupervisord() }
        let result = try await apply
        #expect([69, 75].contains(result.status), "\(result)")
        try await blocking { [self] in
            try host.startSupervisord()
            try host.apply()
            #expect(Set(host.processes.keys) == ["one", "two"] && host.processes.values.allSatisfy { $0.count == 1 })
            #expect(host.derived.count == 4, "\(host.derived)")
        }
    }

    // MARK: F78

    private let kept = StreamsHost.stream("kept", token: "d")

    /// `apply` is killed after each of its steps, while it stops one stream, gives its token to a new one and restarts a third.
    /// A fourth, and whatever is not ours, is left alone. Three hosts share the steps.
    @Test(arguments: 1...3) func f78AKillAtAnyStepIsCompletedByTheNextApply(first: Int) throws {
        try host.writeForeignFiles()
        try host.startSupervisord()
        let foreign = try host.foreignFiles()
        var (step, kills) = (first, 0)
        while true {
            try host.declare(one, two, kept)
            try host.apply()
            try host.declare(
                StreamsHost.stream("one", token: "a", "settings: { journal_keep: \(step)d }"),
                StreamsHost.stream("three", token: "b"), kept)
            let isKilled = try kill("apply", "--yes", step: step)
            let running = host.processes
            #expect(running.values.allSatisfy { $0.count == 1 }, "step \(step): \(running)")
            #expect(running["two"] == nil || running["three"] == nil, "step \(step)")
            try host.apply()
            #expect(
                host.processes.mapValues(\.count) == ["kept": 1, "one": 1, "three": 1],
                "step \(step): \(host.processes)")
            let files = ["kept", "one", "three"]
            #expect(
                host.derived
                    == files.map { "conf.d/tweet-stream-\($0).conf" } + files.map { "streams/\($0).yaml" },
                "step \(step)")
            #expect(try host.foreignFiles() == foreign, "step \(step)")
            #expect(try host.streams("plan", "--exit-code").status == 0)
            if !isKilled { break }
            (step, kills) = (step + 3, kills + 1)
        }
        #expect(kills >= 5, "\(kills) steps")
        #expect(host.starts("kept") == 1 && host.starts(ofProgram: "others") == 1, "\(host.supervisordLog)")
    }

    /// The same while one stream is deactivated, and another one is removed that does not run. What was done to each is in its
    /// journal once.
    @Test(arguments: 1...3) func f78AKilledEndIsCompletedAndJournalledOnce(first: Int) throws {
        try host.writeForeignFiles()
        try host.startSupervisord()
        let foreign = try host.foreignFiles()
        var (step, kills) = (first, 0)
        var (ofOne, ofTwo): ([String], [String]) = ([], [])
        while true {
            try host.declare(one, two, kept)
            try host.apply()
            try host.stopProcess(of: "two")
            try host.declare(StreamsHost.stream("one", token: "a", "active: false"), two, kept)
            let isKilled = try kill("remove", "two", "--yes", step: step)
            try host.apply()
            #expect(host.processes.mapValues(\.count) == ["kept": 1], "step \(step): \(host.processes)")
            #expect(host.derived == ["conf.d/tweet-stream-kept.conf", "streams/kept.yaml"], "step \(step)")
            #expect(try host.foreignFiles() == foreign, "step \(step)")
            ofOne += ["started", "stopped"]
            ofTwo += ["started", "removed"]
            #expect(try host.applied("one") == ofOne, "step \(step)")
            #expect(try host.applied("two") == ofTwo, "step \(step)")
            if !isKilled { break }
            (step, kills) = (step + 3, kills + 1)
        }
        #expect(kills == 4, "each end has six steps")
        #expect(host.starts("kept") == 1 && host.starts(ofProgram: "others") == 1, "\(host.supervisordLog)")
    }

    /// Runs a command that is killed after some of its steps; false when it ends before, which it must do with 0.
    private func kill(_ arguments: String..., step: Int) throws -> Bool {
        let result = try host.streams(arguments, settings: ["TWEET_FAILPOINT": "streams:\(step)"])
        // Foundation reports a signal as its number.
        let isKilled = result.status == SIGKILL
        #expect(isKilled || result.status == 0, "\(result)")
        return isKilled
    }

    // MARK: F79

    @Test func f79OneTokenInTwoStreamsIsRejectedBeforeAnythingChanges() throws {
        try host.startSupervisord()
        try host.folder.write("token-a\n", to: "tokens/copy")
        let others = [
            StreamsHost.stream("two", token: "a"), StreamsHost.stream("two", token: "copy"),
            StreamsHost.stream("two", token: "copy", "kind: sample"),
        ]
        for other in others {
            try host.declare(one, other)
            for command in ["validate", "plan", "apply"] {
                let result = try host.streams(command)
                #expect(result.status == 78, "\(result)")
                #expect(result.errors.contains("streams 'one' (") && result.errors.contains("and 'two' ("), "\(result)")
                #expect(!(result.errors + result.output).contains("token-a"))
            }
        }
        #expect(host.derived.isEmpty)
    }

    // MARK: F80

    private func simulator(token: String, rate: Double) async throws -> XSimulator {
        var configuration = XSimulator.Configuration()
        (configuration.bearerToken, configuration.rate) = (token, rate)
        let simulator = XSimulator(configuration)
        try await simulator.start()
        simulator.addRules([("cat", "cat")])
        return simulator
    }

    private static func stream(_ name: String, _ token: String, _ x: XSimulator, _ more: String = "") -> String {
        StreamsHost.stream(name, token: token, "settings: { x_url: '\(x.url)'\(more) }")
    }

    /// One stream's token is rejected, one's journal is full, one's Kafka is unreachable, one's settings become invalid; a fifth
    /// is well.
    @Test func f80OneBrokenStreamShowsWhyAndTheOthersGoOn() async throws {
        let good = try await simulator(token: "token-a", rate: 100)
        let refusing = try await simulator(token: "another", rate: 10)
        let late = try await simulator(token: "token-e", rate: 10)
        let fast = try await simulator(token: "token-c", rate: 4000)
        // Without Kafka a stream is not well either.
        let kafka = try KafkaSandbox(topics: ["tweets": 12, "tweets.events": 1])
        let rules = host.folder.path + "/rules.yaml"
        try host.folder.write("- value: cat\n  tag: cat\n", to: "rules.yaml")
        try await blocking { [host] in
            try host.startSupervisord()
            try host.declare(
                Self.stream("good", "a", good, ", kafka_bootstrap_servers: '\(kafka.bootstrapServers)'"),
                Self.stream("late", "e", late), Self.stream("refused", "b", refusing),
                Self.stream("full", "c", fast, ", journal_quota: 4MiB, journal_reserve: 64KiB"),
                StreamsHost.stream("invalid", token: "d", "rules_file: rules.yaml"))
            try host.apply()
            try host.folder.write("- valu: cat\n", to: "rules.yaml")
            Glibc.kill(try #require(host.processes["invalid"]?.first), SIGKILL)
            try expectReasons(rules)
        }
        for x in [good, refusing, late, fast] { await x.stop() }
        withExtendedLifetime(kafka) {}
    }

    private func expectReasons(_ rules: String) throws {
        func expect(
            _ stream: String, _ state: String, _ reason: String, within patience: Duration = .seconds(60),
            at place: SourceLocation = #_sourceLocation
        ) throws {
            var row: JSONValue?
            let isShown = try eventually(within: patience) {
                row = try host.status()[stream]
                return row?["state"]?.text == state && row?["reason"]?.text?.contains(reason) == true
            }
            #expect(isShown, "\(String(describing: row))", sourceLocation: place)
        }
        try expect("refused", "waiting", "unauthorized")
        try expect("full", "waiting", "JOURNAL_QUOTA")
        try expect("late", "connected", " lines wait for Kafka, the oldest for ", within: .seconds(120))
        try expect("invalid", "failed", rules)
        let isFatal = try eventually(within: .seconds(240)) {
            try host.status()["invalid"]?["process"]?.text == "FATAL"
        }
        #expect(isFatal, "wrong settings are not retried for ever")
        let well = try #require(try host.status()["good"])
        #expect(well["state"]?.text == "connected" && well["reason"] == nil, "\(well)")
        #expect(well["posts_per_minute"]?.number ?? 0 > 1000 && well["last_post_at"]?.text != nil, "\(well)")
        #expect(host.starts("good") == 1 && host.starts("refused") == 1 && host.starts("full") == 1)
        #expect(try host.streams("status", "--check").status == 1)
    }
}
