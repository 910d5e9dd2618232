import Core
import Foundation
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

/// Lines of people who do this job, as they sent them.
@Suite(
    .enabled(if: recordings("cases") != nil, "no recorded cases beside the checkout"), .ownThreads,
    .timeLimit(.minutes(5)))
struct RecordedCaseTests {
    private func lines(_ name: String) throws -> [String?] {
        let file = try #require(recordings("cases")).path + "/" + name
        return try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    @Test("case 05: text of all languages is stored, and a database that cannot hold it is an error of settings")
    func case05Encodings() throws {
        let lines = try lines("05-db-encoding/tweets.jsonl")
        let database = try TestDatabase()
        try Loader.claiming(database.url).settle(TestLines.batch(lines))
        #expect(try database.query("SELECT count(*) FROM tweets") == [["\(lines.count)"]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        let other = try TestDatabase(encoding: "LATIN1")
        let failure = #expect(throws: DatabaseError.self) { _ = try migrate(PostgresConninfo(other.url)) }
        #expect(
            failure?.disposition == .operator(.settings) && failure?.description.contains("createdb -E UTF8") == true)
    }

    @Test("case 27: every odd payload is a row or a reject with its reason")
    func case27OddPayloads() throws {
        let lines = try lines("27-odd-payloads/in.jsonl")
        let database = try TestDatabase()
        try Loader.claiming(database.url).settle(TestLines.batch(lines))
        let rejects = try database.query(
            "SELECT count(*), count(*) FILTER (WHERE coalesce(reason, '') = '') FROM rejects")[0]
        let rows = try database.query("SELECT count(*) FROM tweets WHERE matched")[0][0].flatMap { Int($0) } ?? 0
        #expect(rows == 103 && rejects == ["23", "0"], "\(rows) rows, \(rejects)")
        #expect(
            try database.query(
                "SELECT created_at AT TIME ZONE 'UTC' FROM tweets WHERE id IN (1860000000020000224, 1860000000020000232)"
            )
                == [["2024-11-22 10:00:00"], ["2024-11-22 10:00:00"]])
        #expect(try database.query("SELECT created_at FROM tweets WHERE id = 1860000000020000256") == [[nil]])
    }
}
