import Core
import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// Two producers of one stream: one reads, and the other one takes over.
@Suite("Standby", .serialized, .timeLimit(.minutes(60))) struct StandbyTests {
    static let environment = ProcessInfo.processInfo.environment
    /// How often the active producer is killed or paused: twice in every test run, `STANDBY_ROUNDS` times in `make soak`.
    static let rounds = environment["STANDBY_ROUNDS"].flatMap { Int($0) } ?? 2
    /// How much longer than the truth a gap may be, in milliseconds. In every test run programs wait for a processor, too, and
    /// what is late makes a gap longer, never shorter.
    private static let slack: Int64 = rounds < 4 ? 10_000 : 1000
    static let seed = environment["SOAK_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1_000_000)

    @Test("F82: the active producer is killed or paused at random moments; what is lost is declared, and nothing else")
    func f82AStandbyTakesOverFromAKilledOrPausedProducer() async throws {
        print("standby soak: SOAK_SEED=\(Self.seed) STANDBY_ROUNDS=\(Self.rounds)")
        try await StandbyHosts.with { hosts in
            var random = SplitMix64(seed: Self.seed)
            try await hosts.startBoth()
            var takeOvers: [TakeOver] = []
            var active = 0
            for round in 0..<Self.rounds {
                let isKill = Self.rounds < 4 ? round % 2 == 0 : Bool.random(using: &random)
                // The moment is random, so that every place is hit over the rounds.
                try await endure(.milliseconds(Int.random(in: 0...1500, using: &random)))
                takeOvers.append(try await takeOver(from: active, isKill: isKill, hosts))
                active = 1 - active
            }
            report(takeOvers)
            hosts.run.x.stopFeed()
            _ = try await hosts.run.judged()
            try await expectExact(takeOvers, hosts)
        }
    }

    @Test("F83: the active producer cut off from Kafka reads on until another one replaces it at X")
    func f83AProducerCutOffFromKafkaReadsOn() async throws {
        try await withFronts { hosts, fronts in
            try await hosts.startBoth()
            fronts[0].bytesPerSecond = 0
            try await hosts.expect("host 1 is elected") { hosts.role(1) == "active" }
            let open = try #require(hosts.run.x.connections.last)
            #expect(hosts.run.x.connections.count == 1 && open.ending == .open, "host 0 reads on")
            let next = try await hosts.nextConnection(after: 1)
            #expect(next.startedAt.milliseconds - open.startedAt.milliseconds > 0)
            fronts[0].bytesPerSecond = nil
            try await hosts.expect("host 0 is passive") { hosts.role(0) == "passive" }
            hosts.run.x.stopFeed()
            _ = try await hosts.run.judged()
        }
    }

    @Test("F83: a passive producer cut off from Kafka stays passive")
    func f83AStandbyCutOffFromKafkaStaysPassive() async throws {
        try await withFronts { hosts, fronts in
            try await hosts.startBoth()
            fronts[1].bytesPerSecond = 0
            hosts.kill(0)
            try await endure(StandbyHosts.lease + .seconds(4))
            #expect(hosts.run.x.connections.count == 1, hosts.logs)
            fronts[1].bytesPerSecond = nil
            _ = try await hosts.nextConnection(after: 1)
            try hosts.start(0)
            hosts.run.x.stopFeed()
            _ = try await hosts.run.judged()
        }
    }

    @Test("F84: of two producers that believe to be active, X keeps one, and the other becomes passive")
    func f84ADisplacedHolderBecomesPassive() async throws {
        try await withFronts({ $0.displacesConnections = true }) { hosts, fronts in
            try await hosts.startBoth()
            fronts[0].bytesPerSecond = 0
            _ = try await hosts.nextConnection(after: 1)
            try await hosts.expect("host 0 is passive") { hosts.role(0) == "passive" }
            #expect(hosts.run.x.connections.first?.ending == .displaced)
            // The holder that was displaced does not displace the other one in turn.
            try await endure(.seconds(3))
            #expect(hosts.run.x.connections.count == 2, hosts.logs)
            fronts[0].bytesPerSecond = nil
            hosts.run.x.stopFeed()
            _ = try await hosts.run.judged()
        }
    }

    /// Each host has a proxy of its own before Kafka, which can be stopped.
    private func withFronts(
        _ change: (inout XSimulator.Configuration) -> Void = { _ in },
        _ body: (StandbyHosts, [KafkaFront]) async throws -> Void
    ) async throws {
        try await StandbyHosts.with(change) { hosts in
            let fronts = try StandbyHosts.both.map { _ in try KafkaFront(hosts.run.pipeline.bootstrapServers) }
            let proxied = try StandbyHosts(
                hosts.run,
                settings: Dictionary(
                    uniqueKeysWithValues: fronts.enumerated().map { ($0, ["KAFKA_BOOTSTRAP_SERVERS": $1.servers]) }))
            defer { proxied.end() }
            try await body(proxied, fronts)
        }
    }

    private func takeOver(from active: Int, isKill: Bool, _ hosts: StandbyHosts) async throws -> TakeOver {
        let before = hosts.run.x.connections.count
        let at = Timestamp.now()
        if isKill { hosts.kill(active) } else { hosts.send(SIGSTOP, to: active) }
        let next = try await hosts.nextConnection(after: before)
        if isKill { try hosts.start(active) } else { hosts.send(SIGCONT, to: active) }
        try await hosts.expect("the host that was active is passive") {
            hosts.role(active) == "passive" && hosts.role(1 - active) == "active"
        }
        return TakeOver(kind: isKill ? "killed" : "paused", at: at, connectedAt: next.startedAt)
    }

    private func report(_ takeOvers: [TakeOver]) {
        for takeOver in takeOvers {
            print("standby: \(takeOver.kind), take-over \(takeOver.seconds) s after the end of the lease")
        }
        let seconds = takeOvers.map(\.seconds).sorted()
        print("standby: \(seconds.count) take-overs, longest \(seconds.last ?? 0) s after the end of the lease")
        #expect(seconds.allSatisfy { $0 < 15 })
    }

    /// Each take-over has one gap, which begins when the producer before ended and ends with the next connection.
    private func expectExact(_ takeOvers: [TakeOver], _ hosts: StandbyHosts) async throws {
        let rows = try await hosts.run.query(
            """
            SELECT (extract(epoch FROM g.started_at) * 1000)::bigint, (extract(epoch FROM g.ended_at) * 1000)::bigint
            FROM stream_gaps g JOIN stream_events e ON (e.stream, e.journal, e.seq) = (g.stream, g.journal, g.opened_seq)
            WHERE e.type = 'handed_over' ORDER BY g.ended_at
            """)
        let gaps = rows.split(separator: "\n").map { $0.split(separator: "|").compactMap { Int64($0) } }
        print("standby: gaps \(gaps)")
        #expect(gaps.count == takeOvers.count, hosts.logs)
        var worst: Int64 = 0
        for (index, (gap, takeOver)) in zip(gaps, takeOvers).enumerated() {
            // Who dies in its first second has not left a note: the gap begins with the one before, which it contains. So all
            // gaps together are still exact to a second.
            let isYoung =
                index > 0 && takeOver.at.milliseconds - takeOvers[index - 1].connectedAt.milliseconds < Self.slack
                && gap[0] == gaps[index - 1][0]
            let begin = gap[0] - takeOver.at.milliseconds
            let end = (gap.count > 1 ? gap[1] : 0) - takeOver.connectedAt.milliseconds
            worst = max(worst, isYoung ? 0 : abs(begin), abs(end))
            // The note of the lease is written four times a second, of what Kafka has acknowledged by then.
            #expect(
                isYoung || -Self.slack < begin && begin < 1000,
                "\(takeOver.kind): begins \(begin) ms after the end of reading")
            #expect(-1000 < end && end < Self.slack, "ends \(end) ms after the connection")
        }
        print("standby: bounds of gaps differ by at most \(worst) ms")
    }
}
