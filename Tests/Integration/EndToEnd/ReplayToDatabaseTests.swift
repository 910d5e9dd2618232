import Foundation
import Sandbox
import Testing

/// A journal that is replayed, twice, into the database that it has filled already.
@Suite(.serialized) struct ReplayToDatabaseTests {
    @Test(.timeLimit(.minutes(5))) func replayingTwiceChangesNothing() async throws {
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: 3, count: 500)
        let pipeline = try await PipelineUnderTest(configuration)
        do {
            pipeline.x.addRules([("pipeline", "replay")])
            try pipeline.startProducer()
            try pipeline.startLoader()
            let judgement = try await Judgement.passed(on: pipeline)
            judgement.expectPerfect("\(pipeline.log("loader"))")
            #expect(pipeline.producer?.terminate(grace: .seconds(90)) == .status(0))
            // The producer's last line is an event that may still be on its way.
            #expect(
                try await pipeline.wait {
                    try pipeline.value("SELECT count(*) FROM stream_events WHERE type = 'stopped'") == "1"
                })
            let journal = pipeline.folder + "/journal/default"
            let before = try counts(pipeline)
            for _ in 0..<2 {
                let offsets = try pipeline.value("SELECT sum(next_offset) FROM loader_offsets")
                _ = try pipeline.run("tweet-producer", ["replay", journal])
                #expect(
                    try await pipeline.wait {
                        let now = try pipeline.value("SELECT sum(next_offset) FROM loader_offsets")
                        return (Int(now) ?? 0) >= (Int(offsets) ?? 0) + 500
                    })
            }
            #expect(try counts(pipeline) == before)
            #expect(try pipeline.run("tweet-loader", ["verify"]).contains("none missing"))
        } catch {
            await pipeline.end()
            throw error
        }
        await pipeline.end()
    }

    private func counts(_ pipeline: PipelineUnderTest) throws -> [String] {
        try ["tweets", "rejects", "stream_events", "stream_gaps", "stream_ledger"].map {
            try pipeline.value("SELECT count(*) FROM \($0)")
        } + [pipeline.value("SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM (SELECT id, payload FROM tweets) t")]
    }
}
