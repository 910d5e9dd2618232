import Foundation
import Harness
import Postgres
import TestSupport
import Testing

/// What X sent against what PostgreSQL holds.
struct Judgement {
    let issued: Set<Int64>
    let stored: Set<Int64>
    let rejected: Int
    /// What `tweet-loader verify` said.
    let verify: String
    /// Stored tweets whose payload differs from the line that X sent.
    let differing: Int
    /// Posts by hour that are not what the rules of tweets say.
    let wrongHours: Int

    /// Waits until X has nothing more to send and all of it has arrived, then judges; what is missing stays missing.
    static func passed(on run: PipelineRun, patience: Duration = .seconds(90)) async throws -> Judgement {
        _ = try await holds(within: patience) {
            try run.x.isDrained && run.issuedIDs.isSubset(of: run.storedIDs())
        }
        _ = try await holds {
            try run.pipeline.run(.loader, ["verify"]).contains("none missing")
        }
        return Judgement(
            issued: run.issuedIDs, stored: try run.storedIDs(),
            rejected: Int(try run.value("SELECT count(*) FROM rejects")) ?? -1,
            verify: try run.pipeline.run(.loader, ["verify"]), differing: try countDiffering(run),
            wrongHours: Int(try run.value("SELECT count(*) FROM (\(wrongHoursSQL)) AS wrong")) ?? -1)
    }

    /// Compares each stored payload with the line as X sent it, as JSON values.
    private static func countDiffering(_ run: PipelineRun) throws -> Int {
        var differing = 0
        let indexes = Array(0..<run.x.issuedCount).filter { run.x.id(ofLine: $0) != nil }
        for start in stride(from: 0, to: indexes.count, by: 500) {
            let part = indexes[start..<min(start + 500, indexes.count)]
            let ids = arrayLiteral(part.map { run.x.id(ofLine: $0) })
            let lines = arrayLiteral(
                part.map { Optional(String(decoding: run.x.bytes(ofLine: $0), as: UTF8.self)) })
            differing +=
                Int(
                    try run.value(
                        """
                        SELECT count(*) FROM unnest($1::bigint[], $2::text[]) AS sent (id, line)
                        JOIN tweets USING (id) WHERE payload IS DISTINCT FROM line::jsonb
                        """, [ids, lines])) ?? -1
        }
        return differing
    }

    /// Nothing lost, nothing doubled (the primary key sees to that), nothing invented, nothing changed.
    func expectPerfect(_ comment: Comment) {
        #expect(issued.subtracting(stored).sorted() == [], comment)
        #expect(stored.subtracting(issued).sorted() == [], comment)
        #expect(rejected == 0, comment)
        #expect(differing == 0, comment)
        #expect(wrongHours == 0, comment)
        #expect(verify.contains("none missing"), comment)
    }
}
