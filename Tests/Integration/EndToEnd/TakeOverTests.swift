import Core
import Harness
import Sandbox
import TestSupport
import Testing

/// What the producer that takes over has of the one before, beside the lease.
@Suite("Standby: what a take-over brings along", .serialized, .timeLimit(.minutes(10))) struct TakeOverTests {
    @Test("attempts of the holder before count towards the budget of the one that takes over")
    func theConnectBudgetIsShared() async throws {
        try await StandbyHosts.with(settings: ["X_REPAIR": "off", "X_CONNECT_BUDGET": "4"]) { hosts in
            let x = hosts.run.x
            x.inject(Fault(.refuse, count: 3, endpoint: "stream", answer: Refusal(status: 503, body: "")))
            try await hosts.startBoth()
            try await hosts.expect("three refusals and a connection") { x.attempts.count == 4 }
            hosts.kill(0)
            // X allows more attempts, and the lock folder of this host knows of none.
            try await hosts.expect("host 1 waits for the window's end") {
                hosts.role(1) == "active" && hosts.log(1).contains("the connect budget is used up; waiting")
            }
            try await endure(.seconds(1))
            #expect(x.attempts.count == 4 && x.connections.count == 1, hosts.logs)
        }
    }

    @Test("the gap of a take-over is filled like every gap, in the journal of the one that takes over")
    func theGapIsFilled() async throws {
        try await StandbyHosts.with(settings: ["X_PLAN": "enterprise"]) { hosts in
            let x = hosts.run.x
            try await hosts.startBoth()
            hosts.kill(0)
            let next = try await hosts.nextConnection(after: 1)
            #expect(next.query.contains("backfill_minutes=1"), "\(next.query)")
            try await hosts.run.expect(
                "SELECT status, repaired_by FROM stream_gaps WHERE ended_at - started_at > interval '5 s'",
                ["repaired_exactly|backfill"])
            try hosts.start(0)
            x.stopFeed()
            let outcome = try await hosts.run.judged()
            // X issued these while nobody was connected, and what the dead one had not read: all of it is there.
            #expect(outcome.verdict.excused.isEmpty)
            let stored = try await hosts.run.query("SELECT count(*) FROM tweets WHERE matched")
            #expect(Int64(stored) ?? 0 >= x.issuedCount - 1, "\(stored) of \(x.issuedCount)")
        }
    }

    @Test("the new active producer looks at the rules at once, and gives X those of its rules file when X has none")
    func theRulesFileIsApplied() async throws {
        let folder = try TemporaryFolder()
        try folder.write("- value: pipeline\n  tag: standby\n- value: cat\n  tag: pets\n", to: "rules.yaml")
        let settings = ["X_REPAIR": "off", "X_RULES_FILE": folder.path + "/rules.yaml", "X_RULES_CHECK": "1h"]
        try await StandbyHosts.with(settings: settings) { hosts in
            let x = hosts.run.x
            try await hosts.startBoth()
            let missing = "rules in the file are missing at X"
            try await hosts.expect("host 0 compares the rules") { hosts.log(0).contains(missing) }
            #expect(!hosts.log(1).contains(missing), "a passive producer does not ask for the rules")
            hosts.kill(0)
            x.deleteRules(["pipeline"])
            _ = try await hosts.nextConnection(after: 1)
            let rules = x.addRules([]).map { "\($0.value) \($0.tag ?? "")" }.sorted()
            #expect(rules == ["cat pets", "pipeline standby"], hosts.logs)
            try await hosts.run.expect(
                "SELECT value FROM rules WHERE seen_until IS NULL ORDER BY value", ["cat", "pipeline"])
            try hosts.start(0)
            x.stopFeed()
            _ = try await hosts.run.judged()
        }
    }
}
