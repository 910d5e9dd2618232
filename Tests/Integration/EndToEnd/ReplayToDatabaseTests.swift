import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// A journal that is replayed, twice, into the database that it has filled already.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ReplayToDatabaseTests {
    @Test func replayingTwiceChangesNothing() async throws {
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: 3, count: 500)
        try await PipelineRun.alone(configuration) { run in
            run.x.addRules([("pipeline", "replay")])
            try run.pipeline.start(.producer)
            try run.startLoader()
            let judgement = try await Judgement.passed(on: run)
            judgement.expectPerfect("\(run.pipeline.log(of: .loader))")
            #expect(run.pipeline.process(of: .producer)?.terminate(grace: .seconds(90)) == .status(0))
            // The producer's last line is an event that may still be on its way.
            #expect(
                try await holds {
                    try run.value("SELECT count(*) FROM stream_events WHERE type = 'stopped'") == "1"
                })
            let journal = run.pipeline.journalFolder + "/default"
            let before = try counts(run)
            for _ in 0..<2 {
                let offsets = try run.value("SELECT sum(next_offset) FROM loader_offsets")
                _ = try run.pipeline.run(.producer, ["replay", journal])
                #expect(
                    try await holds {
                        let now = try run.value("SELECT sum(next_offset) FROM loader_offsets")
                        return (Int(now) ?? 0) >= (Int(offsets) ?? 0) + 500
                    })
            }
            #expect(try counts(run) == before)
            #expect(try run.pipeline.run(.loader, ["verify"]).contains("none missing"))
        }
    }

    private func counts(_ run: PipelineRun) throws -> [String] {
        try ["tweets", "rejects", "stream_events", "stream_gaps", "stream_ledger"].map {
            try run.value("SELECT count(*) FROM \($0)")
        } + [run.value("SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM (SELECT id, payload FROM tweets) t")]
    }
}
