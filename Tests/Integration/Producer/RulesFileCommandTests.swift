import Core
import Foundation
import Journal
import Sandbox
import TestSupport
import Testing

/// `tweet-producer rules plan|apply|export|validate` and `usage` as processes, against the simulator.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct RulesFileCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private var file: String { folder.path + "/rules.yaml" }

    /// Runs the program on a thread of its own, so that the simulator keeps its threads.
    private func run(_ arguments: [String], _ environment: [String: String]) async throws -> ProducerCommand {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<ProducerCommand, any Error>) in
            Thread.detachNewThread {
                done.resume(with: Result { try ProducerCommand(arguments, environment) })
            }
        }
    }

    private func withSimulator(
        _ rules: [(value: String, tag: String?)], _ body: (XSimulator, [String: String]) async throws -> Void
    ) async throws {
        let simulator = XSimulator()
        try await simulator.start()
        simulator.replaceRules(rules)
        do {
            try await body(simulator, ["X_URL": simulator.url, "X_BEARER_TOKEN": simulator.bearerToken])
        } catch {
            await simulator.stop()
            throw error
        }
        await simulator.stop()
    }

    @Test func plansAppliesAndExports() async throws {
        try folder.write("- value: 'cat has:images'\n  tag: cats\n- value: dog\n  tag: new\n", to: "rules.yaml")
        try await withSimulator([("dog", "old"), ("extra", nil)]) { simulator, environment in
            let plan = try await run(["rules", "plan", file, "--exit-code"], environment)
            #expect(plan.status == 2)
            #expect(
                plan.output == """
                    + add     cats       cat has:images
                    ~ change  old → new  dog
                    - remove  -          extra
                    1 to add, 1 to remove, 1 to change, 0 to keep

                    """)
            let unasked = try await run(["rules", "apply", file], environment)
            #expect(unasked.status == 64 && unasked.errors.contains("--yes"))
            #expect(simulator.ruleHistory.count == 1)
            let applied = try await run(["rules", "apply", file, "--yes"], environment)
            #expect(applied.status == 0 && applied.output.contains("done: X has 2 rules"), "\(applied)")
            let after = try await run(
                ["rules", "plan", "--exit-code", "--json"], environment.merging(["X_RULES_FILE": file]) { $1 })
            #expect(after.status == 0 && after.output.contains("\"pending\":false,"))
            let exported = try await run(["rules", "export"], environment)
            #expect(exported.output == "- value: 'cat has:images'\n  tag: 'cats'\n- value: 'dog'\n  tag: 'new'\n")
        }
    }

    @Test func leavesRulesOfOthersAndTellsTakenOnes() async throws {
        try folder.write("- value: cat\n  tag: a\n", to: "rules.yaml")
        try await withSimulator([("theirs", "t")]) { simulator, environment in
            let applied = try await run(["rules", "apply", file, "--yes", "--prefix", "o/"], environment)
            #expect(applied.status == 0, "\(applied)")
            #expect(Set(simulator.ruleHistory.last?.map { $0.tag ?? "" } ?? []) == ["t", "o/a"])
            let exported = try await run(["rules", "export", "--prefix", "o/"], environment)
            #expect(exported.output == "- value: 'cat'\n  tag: 'a'\n")
            let taken = try await run(["rules", "apply", file, "--yes", "--prefix", "p/"], environment)
            #expect(taken.status == 65 && taken.errors.contains("not ours"), "\(taken)")
        }
    }

    @Test func whatXRefusesChangesNothing() async throws {
        // More than what is checked here can know: the simulator's plan allows shorter rules.
        var configuration = XSimulator.Configuration()
        configuration.maximalRuleLength = 10
        let simulator = XSimulator(configuration)
        try await simulator.start()
        try folder.write("- value: cat\n- value: caterpillar\n", to: "rules.yaml")
        let environment = ["X_URL": simulator.url, "X_BEARER_TOKEN": simulator.bearerToken]
        let outcome = try await run(["rules", "apply", file, "--yes"], environment)
        await simulator.stop()
        #expect(outcome.status == 65 && outcome.errors.contains("caterpillar"), "\(outcome)")
        let isUntouched = simulator.ruleHistory.allSatisfy { $0.isEmpty }
        #expect(isUntouched)
    }

    /// X holds rules that it would not accept any more, and texts that YAML reads in its own way.
    @Test func whatXHoldsIsExportedAndNeedsNoChange() async throws {
        let rules: [(value: String, tag: String?)] = [
            ("kitten has:videos", "vid"), ("in_reply_to_status_id:1", nil), ("-cat", "null"), ("\"open", "1"),
            ("#x", ""),
            (" a\nb ", "~"), ("future:1", "a: b"),
        ]
        try await withSimulator([]) { simulator, environment in
            simulator.holdRules(rules)
            let exported = try await run(["rules", "export"], environment)
            #expect(exported.status == 0)
            try folder.write(exported.output, to: "rules.yaml")
            let plan = try await run(["rules", "plan", file, "--exit-code"], environment)
            let summary = "nothing to do: 0 to add, 0 to remove, 0 to change, 7 to keep\n"
            #expect(plan.status == 0 && plan.output == summary && plan.errors.isEmpty, "\(plan)")
            let all = try await run(["rules", "plan", file, "--all"], environment)
            #expect(
                all.output.hasPrefix("  keep    vid   kitten has:videos\n") && all.output.hasSuffix(summary), "\(all)")
            let applied = try await run(["rules", "apply", file, "--yes"], environment)
            #expect(applied.status == 0 && simulator.ruleHistory.count == 1, "\(applied)")
        }
    }

    /// An operator that is not in our list: a warning, and X's answer decides.
    @Test func asksXAboutOperatorsThatNobodyKnows() async throws {
        var configuration = XSimulator.Configuration()
        configuration.ruleOperators = ["has", "min_reach"]
        let simulator = XSimulator(configuration)
        try await simulator.start()
        let environment = ["X_URL": simulator.url, "X_BEARER_TOKEN": simulator.bearerToken]
        try folder.write("- value: cat min_reach:9\n", to: "rules.yaml")
        let validated = try await run(["rules", "validate", file], [:])
        #expect(validated.status == 0 && validated.errors.hasPrefix("warning: "), "\(validated)")
        let accepted = try await run(["rules", "plan", file], environment)
        #expect(accepted.status == 0 && accepted.errors.contains("X accepts the new rules (dry run)"), "\(accepted)")
        let applied = try await run(["rules", "apply", file, "--yes"], environment)
        #expect(applied.status == 0, "\(applied)")
        try folder.write("- value: cat min_reach:9\n- value: cat zzz:1\n", to: "rules.yaml")
        for arguments in [["plan"], ["apply", "--yes"]] {
            let rejected = try await run(["rules"] + arguments + [file], environment)
            #expect(rejected.status == 65 && rejected.output.contains("cat zzz:1"), "\(rejected)")
            #expect(rejected.errors.contains("Reference to invalid operator 'zzz'"), "\(rejected)")
        }
        await simulator.stop()
        #expect(simulator.ruleHistory.last?.map(\.value) == ["cat min_reach:9"])
    }

    @Test func validatesWithoutX() async throws {
        try folder.write("- value: 'cat lang:??'\n  tag: cats\n- value: coca-cola\n", to: "rules.yaml")
        let bad = try await run(["rules", "validate", file], [:])
        #expect(bad.status == 65 && bad.errors.contains("rules.yaml:1 (tag cats), column 10"), "\(bad)")
        #expect(bad.errors.hasPrefix("warning: ") && bad.errors.contains("coca-cola"), "\(bad)")
        try folder.write("- value: coca-cola\n", to: "rules.yaml")
        let good = try await run(["rules", "validate", file], [:])
        #expect(good.status == 0 && good.output.contains("1 of at most 1000 rules"), "\(good)")
        #expect(good.errors.hasPrefix("warning: "))
        let big = try await run(["rules", "validate", file, "--plan", "enterprise"], [:])
        #expect(big.output.contains("25000"))
        #expect(try await run(["rules", "validate", file, "--plan", "pro"], [:]).status == 78)
        #expect(try await run(["rules", "validate"], [:]).status == 64)
    }

    @Test func estimatesPostsAndDollars() async throws {
        try folder.write("- value: cat\n- value: 'cat bio:x'\n", to: "rules.yaml")
        try await withSimulator([]) { simulator, environment in
            simulator.counts = ["cat": 700_000]
            let plan = try await run(["rules", "plan", file, "--estimate", "--post-price", "0.01"], environment)
            #expect(plan.status == 0)
            #expect(plan.output.hasPrefix("  WHAT    TAG  POSTS/30 DAYS       DOLLARS  RULE\n"), "\(plan.output)")
            #expect(plan.output.contains("3,000,000    $30,000.00  cat\n"), "\(plan.output)")
            #expect(plan.output.contains("not counted: cat bio:x: X's counts do not know bio:"))
            let json = try await run(["rules", "plan", file, "--estimate", "--json"], environment).output
            #expect(json.contains("{\"dollars\":15000,\"posts_in_30_days\":3000000,\"value\":\"cat\"}"))
        }
    }

    @Test func showsUsage() async throws {
        try await withSimulator([]) { simulator, environment in
            var usage = AccountUsage()
            usage.used = 1_500_000
            usage.daily = [100_000, 200_000, 10]
            simulator.usage = usage
            let table = try await run(["usage"], environment)
            #expect(table.output.contains("used in this cycle  1,500,000 posts, $7,500.00\n"), "\(table)")
            #expect(table.output.contains("rate a day          150,000 posts, $750.00\n"))
            #expect(table.output.contains("cap is reached in   10.0 days"))
            #expect(table.output.contains("received this cycle ?"))
            // Our own count, of every stream below the folder.
            let today = Timestamp.now().day
            let journal = folder.path + "/journal"
            for (stream, posts) in [("a", 7), ("b", 5)] {
                _ = try Journal.open(folder: journal, stream: stream)
                try folder.write("{\"\(today)\":\(posts),\"\(today - 40)\":9}\n", to: "journal/\(stream)/posts.json")
            }
            let own = try await run(["usage", "--journal", journal], environment)
            #expect(own.output.contains("received today      12\n") && own.output.contains("received this cycle 12\n"))
            let json = try await run(["usage", "--json"], environment).output
            for member in [
                #""received_today":null"#, #""received_in_cycle":null"#, #""used":1500000"#, #""cap":3000000"#,
                #""left":1500000"#, #""today":10"#, #""posts_per_day":150000"#, #""days_to_cap":10"#, #""version":1"#,
            ] { #expect(json.contains(member), "\(member)") }
            simulator.inject(Fault(.refuse, endpoint: "usage", answer: .rateLimit))
            #expect(try await run(["usage"], environment).status == 75)
        }
    }
}
