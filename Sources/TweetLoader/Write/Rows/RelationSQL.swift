/// The statements that bring staged rows into their tables. The staged rows are in the order of
/// their keys, and a staging table is read as it was filled: two loaders that write the same keys wait for each other,
/// never in a circle.
extension Relation {
    /// Makes the session's staging table unless it is there, as the table is at that moment; it empties at every commit.
    package var createStagingSQL: String {
        """
        CREATE TEMPORARY TABLE IF NOT EXISTS \(staging) \
        (LIKE \(table) INCLUDING COMPRESSION INCLUDING STORAGE INCLUDING DEFAULTS) ON COMMIT DELETE ROWS
        """
    }

    /// Merges the staged rows, of which no two have the same key; affects the rows that are new or changed.
    ///
    /// A redelivery never overwrites: of a tweet the first delivery stays, though what a rule matched replaces what was only
    /// included. Of a state the newest stays.
    package var mergeSQL: String { Self.allMergeSQL[rawValue] }

    private static let allMergeSQL = allCases.map(\.madeMergeSQL)

    private var madeMergeSQL: String {
        let list = columns.joined(separator: ", ")
        let insert = "INSERT INTO \(table) AS t (\(list)) SELECT \(list) FROM \(staging)"
        switch self {
        case .tweets:
            return """
                WITH merged AS (
                    \(insert)
                    ON CONFLICT (id) DO UPDATE SET \(assignments), inserted_at = now()
                    WHERE excluded.matched AND NOT t.matched RETURNING t.matched
                ) SELECT count(*) FILTER (WHERE matched) FROM merged
                """
        case .tweetRules: return "\(insert) ON CONFLICT DO NOTHING RETURNING tweet_id, rule_id, stream, tag"
        case .tweetVersions: return "\(insert) ON CONFLICT DO NOTHING"
        case .tweetErrors: return "\(insert) ON CONFLICT DO NOTHING"
        case .timelineEntries:
            // An account that was removed gets no entries; the lock makes one that is being removed wait.
            return """
                INSERT INTO \(table) (\(list)) SELECT \(columns.map { "s.\($0)" }.joined(separator: ", ")) FROM \(staging) AS s
                JOIN x_accounts AS a ON a.user_id = s.user_id FOR KEY SHARE OF a ON CONFLICT DO NOTHING
                """
        default:
            return """
                \(insert) ON CONFLICT (\(key)) DO UPDATE SET \(assignments)
                WHERE t.fingerprint <> excluded.fingerprint AND t.seen_at <= excluded.seen_at
                """
        }
    }

    /// Looks up the states of things by their keys. Answers, for each one that is stored, the key's place in the array from 1, the
    /// fingerprint, and when it was seen in milliseconds since 1970.
    ///
    /// A limit in a subquery keeps the planner at one look into the key for each: a join might read the whole table.
    var lookUpSQL: String {
        """
        SELECT wanted.place, found.fingerprint, found.seen_at
        FROM unnest($1::\(hasTextKey ? "text" : "bigint")[]) WITH ORDINALITY AS wanted (key, place)
        CROSS JOIN LATERAL (
            SELECT t.fingerprint,
                CASE WHEN isfinite(t.seen_at) THEN (extract(epoch FROM t.seen_at) * 1000)::bigint END AS seen_at
            FROM \(table) AS t WHERE t.\(key) = wanted.key LIMIT 1) AS found
        """
    }

    private var assignments: String {
        columns.filter { $0 != key }.map { column in
            // A medium belongs to the oldest tweet that attaches it.
            column == "tweet_id" ? "tweet_id = least(t.tweet_id, excluded.tweet_id)" : "\(column) = excluded.\(column)"
        }.joined(separator: ", ")
    }

    /// Keeps staged states of users, as states of the past, which the current ones differ from; the rest is dropped.
    ///
    /// Counts in a subquery, because the planner, which knows nothing of the staging table, might else read all users.
    package static let keepPastUsersSQL = """
        INSERT INTO user_history (\(list)) SELECT \(list) FROM users_staging AS s
        CROSS JOIN LATERAL (
            SELECT count(*) AS same FROM users AS u
            WHERE u.id = s.id AND u.fingerprint = s.fingerprint
        ) AS known
        WHERE known.same = 0 ON CONFLICT DO NOTHING
        """

    private static let list = Relation.users.columns.joined(separator: ", ")
}
