import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// The main way: from X's stream to rows in PostgreSQL.
@Suite(.serialized, .timeLimit(.minutes(5))) struct MainWayTests {
    private func configuration(_ count: Int64?, rate: Double? = nil) -> XSimulator.Configuration {
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: 11, count: count)
        configuration.rate = rate
        return configuration
    }

    @Test func everyTweetArrivesOnceAndBothServicesDrain() async throws {
        try await PipelineRun.alone(configuration(3000)) { run in
            run.x.addRules([("pipeline", "main")])
            try run.pipeline.start(.producer)
            try run.startLoader()
            let judgement = try await Judgement.passed(on: run)
            #expect(judgement.issued.count == 3000)
            judgement.expectPerfect("\(run.pipeline.log(of: .loader))")
            #expect(run.pipeline.process(of: .producer)?.terminate(grace: .seconds(90)) == .status(0))
            #expect(run.pipeline.process(of: .loader)?.terminate(grace: .seconds(90)) == .status(0))
            #expect(!run.pipeline.log(of: .producer).contains("ERROR"))
            #expect(!run.pipeline.log(of: .loader).contains("ERROR"))
        }
    }

    @Test func aDatabaseThatGoesAndComesLosesNothing() async throws {
        try await PipelineRun.alone(configuration(nil, rate: 400)) { run in
            run.x.addRules([("pipeline", "main")])
            try run.pipeline.start(.producer)
            try run.startLoader()
            #expect(try await holds { try run.storedIDs().count > 300 })
            for (round, mode) in [PostgresSandbox.StopMode.immediate, .fast].enumerated() {
                let stored = try run.storedIDs().count
                run.pipeline.postgres.stop(mode)
                #expect(
                    try await holds {
                        run.pipeline.log(of: .loader).split(separator: "PostgreSQL is unreachable").count > round + 1
                    })
                try run.pipeline.postgres.start()
                #expect(try await holds { try run.storedIDs().count > stored })
            }
            run.x.stopFeed()
            let judgement = try await Judgement.passed(on: run)
            judgement.expectPerfect("\(run.pipeline.log(of: .loader))")
            // It tells every ten seconds, and at the end.
            #expect(run.pipeline.process(of: .loader)?.terminate(grace: .seconds(90)) == .status(0))
            #expect(run.pipeline.log(of: .loader).contains("rejects=0"))
        }
    }

    /// Without redelivery, as on a self-serve plan, what a killed producer had not read is lost: then a gap says so.
    @Test func whatAKilledProducerCouldNotReadLiesInADeclaredGap() async throws {
        var configuration = configuration(nil, rate: 2000)
        configuration.losesWhileAway = true
        try await PipelineRun.alone(configuration) { run in
            run.x.addRules([("pipeline", "main")])
            try run.startLoader()
            for start in 0...3 {
                if start > 0 { run.pipeline.kill(.producer) }
                let seen = run.x.connections.count
                try run.pipeline.start(.producer)
                let connected = try await holds { run.x.connections.count > seen && hasLines(run, start: start) }
                #expect(connected, "\(run.pipeline.log(of: .producer))")
            }
            run.x.stopFeed()
            _ = try await holds { try Loss(run).isDeclared }
            let loss = try Loss(run)
            #expect(!loss.ids.isEmpty, "a kill at this rate leaves something unread; else this test shows nothing")
            #expect(loss.gaps.count == 3 && loss.gaps.allSatisfy { $0.newestID != nil && $0.endedAt != nil })
            #expect(loss.undeclared.count == 0, "of \(loss.ids.count)")
            #expect(!loss.includesLast, "\(run.pipeline.log(of: .loader))")
            #expect(try run.pipeline.run(.loader, ["verify"]).contains("none missing"))
        }
    }

    /// Whether the last connection, of a producer's start, has brought lines, and the database knows of it.
    private func hasLines(_ run: PipelineRun, start: Int) -> Bool {
        guard let last = run.x.connections.last, last.written.count > 500 else { return false }
        return (try? run.value("SELECT count(*) FROM stream_events WHERE type = 'connected'")) == "\(start + 1)"
    }
}

/// The tweets that X has made and that are not stored, and the gaps that are declared.
private struct Loss {
    struct Gap {
        let newestID: Int64?
        /// In milliseconds since 1970.
        let endedAt: Double?
    }

    let gaps: [Gap]
    let ids: Set<Int64>
    let includesLast: Bool

    init(_ run: PipelineRun) throws {
        gaps = try run.rows("SELECT newest_id, extract(epoch FROM ended_at) * 1000 FROM stream_gaps")
            .map { Gap(newestID: $0[0].flatMap { Int64($0) }, endedAt: $0[1].flatMap { Double($0) }) }
        ids = run.issuedIDs.subtracting(try run.storedIDs())
        includesLast = run.x.id(ofLine: run.x.issuedCount - 1).map(ids.contains) ?? true
    }

    /// Those in no declared gap: newer than the newest id received before it, and made before it ended.
    var undeclared: Set<Int64> {
        ids.filter { id in
            let made = Double((id >> 22) + 1_288_834_974_657)
            return !gaps.contains { gap in
                gap.newestID.map { $0 < id } ?? false && gap.endedAt.map { made <= $0 } ?? false
            }
        }
    }

    var isDeclared: Bool { gaps.count == 3 && !includesLast && undeclared.isEmpty }
}
