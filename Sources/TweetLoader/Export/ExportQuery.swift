import Core
import Postgres

/// The statements that read what is exported; their rows come in the order of the ids, which is that of time.
struct ExportQuery {
    private let request: ExportRequest

    init(_ request: ExportRequest) { self.request = request }

    /// The rows of the export, with `parameters`: the id; then for a table the line, the time of receipt, the stream and the
    /// tags of the rules, and for lines the line and its original bytes.
    var sql: String {
        switch request.format {
        case .ids: "SELECT t.id FROM tweets t WHERE \(condition) ORDER BY t.id"
        case .jsonl: "SELECT t.id, t.payload::text, t.payload_raw FROM tweets t WHERE \(condition) ORDER BY t.id"
        case .csv:
            """
            SELECT t.id, coalesce(t.payload::text,
                (SELECT i.payload::text FROM tweets i WHERE i.id = t.included_by), (\(RebuiltLine.sql))::text),
                \(rfc3339("t.received_at")), t.stream, \(tags)
            FROM tweets t WHERE \(condition) ORDER BY t.id
            """
        }
    }

    /// The lowest and the highest id, between which progress is measured; both null when there are no tweets.
    var boundsSQL: String { "SELECT min(t.id), max(t.id) FROM tweets t WHERE \(window("t.id"))" }

    /// The number of rows as PostgreSQL estimates it.
    var estimateSQL: String { "EXPLAIN (FORMAT JSON) SELECT t.id FROM tweets t WHERE \(condition)" }

    /// Arrays in the order of `condition`'s parameters.
    var parameters: [String?] {
        let selection = request.selection
        return [selection.rules, selection.streams, selection.languages, selection.kinds.map(\.rawValue).sorted()].map {
            $0.isEmpty ? nil : arrayLiteral($0.map(Optional.some))
        }
    }

    /// The condition on `tweets t`, with parameters $1 to $4; the window is in the text, so that plans leave out other months.
    /// As in `public_tweets`, there are no tweets of protected authors.
    private var condition: String {
        let selection = request.selection
        return """
            \(window("t.id")) AND (t.matched OR \(selection.includesReferenced))
            AND (\(ruleCondition)) AND (\(streamCondition))
            AND ($3::text[] IS NULL OR t.lang = ANY ($3::text[])) AND ($4::text[] IS NULL OR \(Self.kind) = ANY ($4::text[]))
            AND NOT EXISTS (SELECT FROM users u WHERE u.id = t.author_id AND u.protected) AND \(lineCondition)
            """
    }

    private func window(_ column: String) -> String {
        let selection = request.selection
        let bounds =
            [selection.firstID.map { "\(column) >= \($0)" }, selection.endID.map { "\(column) < \($0)" }].compactMap(
                \.self)
        return bounds.isEmpty ? "true" : bounds.joined(separator: " AND ")
    }

    /// An included tweet has no rules of its own: those of the tweet that included it count.
    private var ruleCondition: String {
        guard !request.selection.rules.isEmpty else { return "$1::text[] IS NULL" }
        return """
            EXISTS (SELECT FROM tweet_rules r WHERE r.tweet_id = \(matchedID)
                AND (r.tag = ANY ($1::text[]) OR r.rule_id::text = ANY ($1::text[]))
                AND ($2::text[] IS NULL OR r.stream = ANY ($2::text[])))
            """
    }

    private var streamCondition: String {
        guard !request.selection.streams.isEmpty else { return "$2::text[] IS NULL" }
        return """
            t.stream = ANY ($2::text[]) OR EXISTS (SELECT FROM tweet_rules r
                WHERE r.tweet_id = \(matchedID) AND r.stream = ANY ($2::text[]))
            """
    }

    /// A line from a timeline names the account, and may include tweets that only this account can see.
    private var lineCondition: String { request.format == .jsonl ? "t.payload -> 'timeline' IS NULL" : "true" }

    private var matchedID: String { request.selection.includesReferenced ? "coalesce(t.included_by, t.id)" : "t.id" }

    /// As in `readable_tweets`.
    private static let kind = """
        CASE WHEN t.retweeted_id IS NOT NULL THEN 'repost' WHEN t.quoted_id IS NOT NULL THEN 'quote'
            WHEN t.replied_to_id IS NOT NULL THEN 'reply' ELSE 'tweet' END
        """

    /// A JSON list; null unless the table shows it.
    private var tags: String {
        guard request.table.columns.contains(where: \.needsTags) else { return "NULL" }
        return """
            (SELECT jsonb_agg(coalesce(r.tag, r.rule_id::text) ORDER BY r.tag, r.rule_id)
                FROM tweet_rules r WHERE r.tweet_id = \(matchedID))::text
            """
    }
}
