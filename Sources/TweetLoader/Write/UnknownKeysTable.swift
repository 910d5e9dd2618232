import Postgres

/// Counts the keys that this version of the program does not know.
///
/// Near the end of the transaction, because a key that X has just begun to send is in every batch of every loader, and the
/// rows stay locked until the commit.
struct UnknownKeysTable {
    /// X does not send thousands of new keys; whoever does is not worth more rows.
    private static let maximumPaths = 1_000
    private var paths: Set<String> = []

    mutating func count(
        _ keys: [(line: Int, tweet: Int64, path: String)], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !keys.isEmpty else { return }
        var counts: [String: (count: Int64, tweet: Int64)] = [:]
        for key in keys {
            if paths.count < Self.maximumPaths { paths.insert(key.path) }
            let path = paths.contains(key.path) ? key.path : "(more)"
            counts[path, default: (0, 0)].count += 1
            counts[path]?.tweet = key.tweet
        }
        let sorted = counts.sorted { $0.key < $1.key }
        // A key that cannot be counted is no reason to stop: its tweets are stored with the whole line.
        _ = try connection.isolating(sorted[...]) { piece throws(PostgresError) in
            try add(Array(piece), connection)
        }
    }

    private func add(
        _ sorted: [(key: String, value: (count: Int64, tweet: Int64))], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            INSERT INTO unknown_keys AS k (path, count, seen_in)
            SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
            ON CONFLICT (path) DO UPDATE
            SET count = k.count + excluded.count, last_seen_at = now(), seen_in = excluded.seen_in
            """,
            [
                arrayLiteral(sorted.map { $0.key }), arrayLiteral(sorted.map { $0.value.count }),
                arrayLiteral(sorted.map { $0.value.tweet }),
            ], doing: "count unknown keys")
    }
}
