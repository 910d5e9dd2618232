import Core
import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// Two producers of one stream that both read (`STANDBY=active`), with an enterprise account.
@Suite("Active listeners", .serialized, .timeLimit(.minutes(60))) struct ActiveListenersTests {
    /// How long one of them is deaf in `make soak`; ten common minutes are compared.
    private static let minutes = ProcessInfo.processInfo.environment["LISTENERS_MINUTES"].flatMap { Int($0) }

    private func with(_ rate: Double, _ body: (StandbyHosts) async throws -> Void) async throws {
        let settings = ["X_PLAN": "enterprise", "STANDBY": "active", "X_REPAIR_DELAY": "5s", "HEARTBEAT": "1s"]
        try await StandbyHosts.with({ ($0.connectionLimit, $0.rate) = (2, rate) }, settings: settings) { hosts in
            let active = try StandbyHosts(
                hosts.run,
                settings: Dictionary(uniqueKeysWithValues: StandbyHosts.both.map { ($0, ["STANDBY": "active"]) }))
            defer { active.end() }
            for host in StandbyHosts.both { try active.start(host) }
            try await active.expect("both read") { Self.reading(active).count == 2 }
            try await body(active)
        }
    }

    /// The connections on which lines come.
    private static func reading(_ hosts: StandbyHosts) -> [StreamConnection] {
        hosts.run.x.connections.filter { $0.ending == .open && $0.written.count > 20 }
    }

    @Test(
        "F85: a cut and a kill of one of them are covered by the other one; nothing is missing, and nothing asked again"
    )
    func f85TheLedgerKnowsTheUnionOfBothJournals() async throws {
        try await with(100) { hosts in
            let x = hosts.run.x
            x.inject(Fault(.drop, after: 10))
            try await hosts.expect("the one that was cut off reads again") {
                x.connections.count == 3 && Self.reading(hosts).count == 2
            }
            hosts.kill(1)
            try await hosts.expect("the other one reads on") { Self.reading(hosts).count == 1 }
            try await hosts.run.expectLines(50)
            try hosts.start(1)
            try await hosts.expect("both read again") { x.connections.count == 4 && Self.reading(hosts).count == 2 }
            try await hosts.expect("both have the same posts") {
                let lines = x.connections.flatMap { $0.written.map(\.index) }
                return lines.count > Set(lines).count + 100
            }
            // A post is stored once, for the journal whose line comes first: it takes posts, and a heartbeat, until both have some.
            try await hosts.run.expect("SELECT status FROM stream_gaps", ["covered", "covered"])
            x.stopFeed()
            let outcome = try await hosts.run.judged()
            #expect(outcome.verdict.excused.isEmpty, "what one has not read the other one has")
            try await expectCovered(hosts)
        }
    }

    private func expectCovered(_ hosts: StandbyHosts) async throws {
        let run = hosts.run
        try await run.expect("SELECT status FROM stream_gaps", ["covered", "covered"])
        try await run.expect("SELECT count(DISTINCT journal) FROM stream_ledger", ["2"])
        let ledger = try await blocking { try run.pipeline.run(.loader, ["verify"]) }
        #expect(ledger.contains("gaps: 2 covered by other journals of the stream"), "\(ledger)")
        let asked = run.x.connections.filter { $0.isRecovery || $0.query.contains("backfill") }
        #expect(
            asked.isEmpty && run.x.searches.isEmpty, "what the other one has is not bought again: \(asked.map(\.query))"
        )
    }

    /// X goes on to send keep-alives to one of them, and no posts.
    @Test(
        "F85: one of them is deaf, and the tallies of the minutes show it",
        .enabled(if: minutes != nil, "minutes of measuring (LISTENERS_MINUTES=12)"))
    func f85TheTalliesShowWhoHearsLess() async throws {
        let minutes = try #require(Self.minutes)
        try await with(20) { hosts in
            hosts.run.x.inject(Fault(.quiet, seconds: Double(minutes + 5) * 60))
            var status = ""
            try await hosts.run.expect("the deaf one is reported", within: .seconds(60 * (minutes + 5))) {
                status = try await blocking { try hosts.run.pipeline.run(.loader, ["status"]) }
                return status.contains(" received ")
            }
            print("active listeners: \(status)")
            let counts = try await hosts.run.query(
                """
                SELECT journal, count(*), sum(lines) FROM stream_events WHERE type = 'tally'
                GROUP BY journal ORDER BY sum(lines)
                """)
            print("active listeners: minutes and posts of each journal: \(counts)")
            let deaf = try #require(counts.split(separator: "|").first)
            #expect(status.contains("journal \(deaf) received "))
        }
    }
}
