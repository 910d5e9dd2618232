import Harness
import Postgres
import Sandbox

extension PipelineRun {
    /// What a query answers, row by row.
    func rows(_ sql: String, _ parameters: [String?] = []) throws -> [[String?]] {
        let url = pipeline.postgres.url(database: pipeline.database)
        let connection = try PostgresConnection.connect(try PostgresConninfo(url))
        return try connection.query(sql, parameters, doing: "look").rows
    }

    /// The one value that a query answers.
    func value(_ sql: String, _ parameters: [String?] = []) throws -> String {
        try rows(sql, parameters).first?.first.flatMap { $0 } ?? ""
    }

    /// The ids of the tweets that are stored and matched.
    func storedIDs() throws -> Set<Int64> {
        Set(try rows("SELECT id FROM tweets WHERE matched").compactMap { row in row[0].flatMap { Int64($0) } })
    }

    /// The ids of all tweets that X has issued so far.
    var issuedIDs: Set<Int64> {
        Set((0..<x.issuedCount).compactMap { x.id(ofLine: $0) })
    }
}
