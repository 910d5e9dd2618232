import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// F28, F29: the rules, while X fails and while somebody else changes them; 1,000 random states and a failure at every
/// call are in `XRuleApplicationTests`.
@Suite(.serialized, .timeLimit(.minutes(5))) struct RulesFaultTests {
    private static let file = """
        - value: cat has:images
          tag: pets
        - value: dog
          tag: pets
        - value: snow -ice
          tag: weather
        """

    /// Runs `rules apply` on a file, and returns its status and output.
    private func apply(_ run: PipelineRun, _ path: String) async throws -> (exit: ChildProcess.Exit, output: String) {
        let command = try ChildCommand(
            service: .producer, ["rules", "apply", "--yes", "--prefix", "ours/", path],
            settings: run.pipeline.environment)
        return try await blocking { try ChildProcess.run(command) }
    }

    /// Without room for what is new the command says so beforehand, and touches nothing.
    private func expectNoRoom(_ run: PipelineRun, _ path: String) async throws {
        let full = try await apply(run, path)
        #expect(full.exit != .status(0) && full.output.contains("8"), "\(full.output)")
        #expect(run.x.ruleHistory.last?.count == 8)
    }

    /// What stays is there at every moment, if need be as its stand-in.
    private func expectNoGap(_ run: PipelineRun) {
        for rules in run.x.ruleHistory {
            let cores = Set(rules.map { $0.value.filter { $0 != "(" && $0 != ")" } })
            #expect(cores.isSuperset(of: ["dog", "snow -ice", "theirs"]))
            #expect(rules.contains { $0.value == "theirs" && $0.tag == "other/1" })
        }
    }

    @Test func f28RulesConvergeWhateverCallFails() async throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.file, to: "rules.yaml")
        let path = folder.path + "/rules.yaml"
        try await PipelineRun.with(losesWhileAway: true, x: { $0.maximalRules = 8 }, rules: [], startsProducer: false) {
            run in
            let before: [(value: String, tag: String?)] = [
                ("dog", "ours/old"), ("snow -ice", "ours/weather"), ("bird", "ours/gone"), ("theirs", "other/1"),
            ]
            let wanted = ["cat has:images", "dog", "snow -ice", "theirs"]
            var failures = 0
            for (kind, index) in [Fault.Kind.refuse, .lostAnswer].flatMap({ kind in (0..<8).map { (kind, $0) } }) {
                run.x.replaceRules(before)
                run.x.inject(Fault(kind, after: index, endpoint: "rules"))
                let first = try await apply(run, path)
                run.x.clearFaults()
                if first.exit != .status(0) {
                    failures += 1
                    #expect(first.output.contains("HTTP 503"), "\(first.output)")
                    let second = try await apply(run, path)
                    #expect(second.exit == .status(0), "\(second.output)")
                }
                #expect(Set(run.x.ruleHistory.last?.map(\.value) ?? []) == Set(wanted))
                #expect(run.x.ruleHistory.last?.first { $0.value == "dog" }?.tag == "ours/pets")
                expectNoGap(run)
            }
            #expect(failures >= 8)
            run.x.replaceRules(before + (1...4).map { ("filler \($0)", "other/2") })
            try await expectNoRoom(run, path)
        }
    }

    @Test func f29ChangesOfOthersAreFoundAndLeftAlone() async throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.file, to: "rules.yaml")
        let settings = [
            "X_RULES_FILE": folder.path + "/rules.yaml", "X_RULES_PREFIX": "ours/", "X_RULES_CHECK": "10s",
        ]
        try await PipelineRun.with(settings, losesWhileAway: true, rules: [], startsProducer: false) { run in
            run.x.addRules([("cat has:images", "ours/pets"), ("dog", "ours/pets"), ("snow -ice", "ours/weather")])
            try run.pipeline.start(.producer)
            try await run.expect("posts") { run.x.issuedCount > 20 }
            run.x.deleteRules(["dog"])
            run.x.addRules([("theirs", "other/1")])
            try await run.expect("the drift", within: .seconds(90)) {
                !run.lines("rules in the file are missing at X", "\"values\":\"dog\"").isEmpty
            }
            #expect(run.lines("rules at X are not in the file").isEmpty)
            let events =
                "SELECT cause, payload -> 'pipeline_event' ->> 'detail' FROM stream_events WHERE type = 'rules_differ'"
            try await run.expect(events, ["missing|missing: dog"])
            // It tells, and leaves the change to a person.
            #expect(run.x.ruleHistory.last?.map(\.value) == ["cat has:images", "snow -ice", "theirs"])
            try await run.expectConserved()
        }
    }

    @Test func theTextOfEveryRuleThatMatchedIsRecorded() async throws {
        try await PipelineRun.with(losesWhileAway: true, rules: ["cat"]) { run in
            let rules = "SELECT value, tag, seen_until IS NULL FROM rules ORDER BY value, tag"
            try await run.expect(rules, ["cat|cat|t"])
            // A command that changes rules lets the producer that runs look at once, not at the next check.
            @Sendable func change(_ arguments: String...) async throws {
                _ = try await blocking { try run.pipeline.run(.producer, ["rules"] + arguments) }
            }
            try await change("add", "dog", "--tag", "pets")
            try await run.expect(rules, ["cat|cat|t", "dog|pets|t"])
            try await change("delete", "--value", "cat")
            try await run.expect(rules, ["cat|cat|f", "dog|pets|t"])
            // A changed tag is a new rule at X.
            try await change("delete", "--value", "dog")
            try await change("add", "dog", "--tag", "animals")
            try await run.expect(rules, ["cat|cat|f", "dog|animals|t", "dog|pets|f"])
            // What changes while no producer runs is found by the next one.
            _ = try await blocking { run.pipeline.end(.producer) }
            run.x.deleteRules(["dog"])
            run.x.addRules([("bird", nil)])
            try run.pipeline.start(.producer)
            try await run.expect(rules, ["bird||t", "cat|cat|f", "dog|animals|f", "dog|pets|f"])
            try await run.expectConserved()
            // What the simulator sends while it has no rule counts as matched by the stream: rule 0.
            try await run.expect("SELECT count(*) FROM matched_rules WHERE value IS NULL AND rule_id > 0", ["0"])
            #expect(try await run.query("SELECT count(*) > 0 FROM rule_matches WHERE value = 'cat'") == "t")
            let id = try await run.query("SELECT min(tweet_id) FROM matched_rules WHERE value = 'cat'")
            let shown = try await blocking { try run.pipeline.run(.loader, ["explain", id]) }
            #expect(shown.contains("\"cat\""), "\(shown)")
        }
    }

    /// A filter is added to the file and applied while the producer runs: its posts come on the same connection, and the table
    /// of rules has its text.
    @Test func aFilterAddedWhileTheProducerRunsRestartsNothing() async throws {
        let folder = try TemporaryFolder()
        try folder.write("- value: dog\n  tag: pets\n", to: "rules.yaml")
        let path = folder.path + "/rules.yaml"
        try await PipelineRun.with(["X_RULES_FILE": path], rules: [], startsProducer: false) { run in
            @Sendable func applyFile() async throws {
                _ = try await blocking { try run.pipeline.run(.producer, ["rules", "apply", "--yes"]) }
            }
            try await applyFile()
            try run.pipeline.start(.producer)
            let recorded = "SELECT tag, value FROM rules WHERE seen_until IS NULL ORDER BY tag"
            try await run.expect(recorded, ["pets|dog"])
            try folder.write(
                "- value: dog\n  tag: pets\n- filter: drinks\n  words: [coffee, flat white]\n  people: ['@baristas']\n",
                to: "rules.yaml")
            try await applyFile()
            let filter = "coffee OR \"flat white\" OR from:baristas OR to:baristas OR retweets_of:baristas"
            try await run.expect(recorded, ["drinks|\(filter)", "pets|dog"])
            try await run.expect(
                "SELECT count(*) > 0 FROM matched_rules WHERE tag = 'drinks' AND value IS NOT NULL", ["t"])
            // Another word is one other rule; the one before is recorded with its end.
            try folder.write(
                "- value: dog\n  tag: pets\n- filter: drinks\n  words: [coffee, flat white, tea]\n  people: ['@baristas']\n",
                to: "rules.yaml")
            try await applyFile()
            try await run.expect(recorded, ["drinks|\(filter) OR tea", "pets|dog"])
            try await run.expect("SELECT count(*) FROM rules WHERE tag = 'drinks' AND seen_until IS NOT NULL", ["1"])
            #expect(run.x.connections.count == 1 && run.lines("rules in the file are missing at X").isEmpty)
            try await run.expectConserved()
        }
    }
}
