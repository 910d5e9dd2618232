import Postgres
import TweetFormat

/// Keeps the rules at X as `rules` events list them: what each was, since when it was seen, and until when.
///
/// A list may come in parts, twice, late, or before an older one; the tables are the same afterwards. Within a journal the
/// sequence number says what is later, between journals the time.
enum RulesTable {
    /// One event: a whole list, or a part of one.
    struct List {
        let part: Int
        let parts: Int
        let rules: [PipelineEvent.Rule]

        /// Nil for every other event, and for an invalid foreign one.
        init?(_ event: PipelineEvent) {
            guard event.type == .rules, let rules = event.rules, rules.count <= 1_000_000 else { return nil }
            (part, parts) = (event.part ?? 1, event.parts ?? 1)
            guard (1...1_000_000).contains(parts), (1...parts).contains(part) else { return nil }
            self.rules = rules
        }
    }

    /// Records the lists among these events, in one piece with the events themselves.
    static func record(_ rows: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        for row in rows {
            guard let list = row.event.flatMap(List.init), let headers = row.message.headers else { continue }
            let at = (row.at ?? headers.receivedAt).description
            let place: [String?] = [headers.stream, headers.journal, "\(headers.seq)", at]
            let isComplete = try add(list, place, connection)
            try update(list.rules, place, connection)
            if isComplete { try end(place, connection) }
        }
    }

    /// Takes note of an event; returns whether its list is complete.
    private static func add(
        _ list: List, _ place: [String?], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        _ = try connection.query(
            """
            INSERT INTO rule_lists (stream, journal, seq, at, part, parts, rules)
            VALUES ($1::text, $2::text, $3::bigint, $4::timestamptz, $5::integer, $6::integer, $7::integer)
            ON CONFLICT DO NOTHING
            """, place + ["\(list.part)", "\(list.parts)", "\(list.rules.count)"], doing: "insert into rule_lists")
        let answer = try connection.query(
            """
            SELECT count(DISTINCT part) = max(parts) FROM rule_lists
            WHERE stream = $1::text AND journal = $2::text AND at = $3::timestamptz
            """, [place[0], place[1], place[3]], doing: "look at rule_lists")
        return answer.text(0, 0) == "t"
    }

    /// Inserts the rules, or moves when they were seen first and last. All of them ended, if they did, with the first complete
    /// list after this one: what is in it, comes, and moves them on.
    private static func update(
        _ rules: [PipelineEvent.Rule], _ place: [String?], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        var known = Set<Int64>()
        let rules = rules.compactMap { rule in
            Int64(rule.id).flatMap { $0 >= 0 && known.insert($0).inserted ? (id: $0, rule: rule) : nil }
        }.sorted { $0.id < $1.id }
        guard !rules.isEmpty else { return }
        _ = try connection.query(
            updateSQL,
            place + [
                arrayLiteral(rules.map(\.id)), arrayLiteral(rules.map { storable($0.rule.value) }),
                arrayLiteral(rules.map { $0.rule.tag.map(storable) }),
            ], doing: "update rules")
    }

    private static let updateSQL = """
        INSERT INTO rules AS r (stream, rule_id, value, tag, seen_from, first_journal, first_seq, seen_last, last_journal,
            last_seq, seen_until)
        SELECT $1::text, new.rule_id, new.value, new.tag, $4::timestamptz, $2::text, $3::bigint, $4::timestamptz, $2::text,
            $3::bigint, later.at
        FROM unnest($5::bigint[], $6::text[], $7::text[]) AS new (rule_id, value, tag)
        CROSS JOIN (
            SELECT min(at) AS at FROM (
                SELECT at FROM rule_lists WHERE stream = $1::text GROUP BY journal, at
                HAVING count(DISTINCT part) = max(parts) AND CASE WHEN journal = $2::text
                    THEN min(seq) > $3::bigint AND at <> $4::timestamptz ELSE at > $4::timestamptz END) lists) later
        ORDER BY new.rule_id
        ON CONFLICT (rule_id, stream) DO UPDATE SET
            (seen_from, first_journal, first_seq) = (SELECT c.* FROM (
                SELECT r.seen_from, r.first_journal, r.first_seq WHERE NOT \(isEarlier)
                UNION ALL
                SELECT excluded.seen_from, excluded.first_journal, excluded.first_seq WHERE \(isEarlier)) c),
            (value, tag, seen_last, last_journal, last_seq, seen_until) = (SELECT c.* FROM (
                SELECT r.value, r.tag, r.seen_last, r.last_journal, r.last_seq, r.seen_until WHERE NOT \(isLater)
                UNION ALL
                SELECT excluded.value, excluded.tag, excluded.seen_last, excluded.last_journal, excluded.last_seq,
                    excluded.seen_until WHERE \(isLater)) c)
        WHERE \(isEarlier) OR \(isLater)
        """

    private static let isEarlier = """
        (CASE WHEN excluded.first_journal = r.first_journal THEN excluded.first_seq < r.first_seq
            ELSE excluded.seen_from < r.seen_from END)
        """

    private static let isLater = """
        (CASE WHEN excluded.last_journal = r.last_journal THEN excluded.last_seq > r.last_seq
            ELSE excluded.seen_last > r.seen_last END)
        """

    /// Ends the rules that were seen before a complete list, and are not in it.
    private static func end(_ place: [String?], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        _ = try connection.query(
            """
            UPDATE rules r SET seen_until = list.at
            FROM (
                SELECT min(seq) AS first, at FROM rule_lists
                WHERE stream = $1::text AND journal = $2::text AND at = $3::timestamptz GROUP BY at) list
            WHERE r.stream = $1::text
                AND CASE WHEN r.last_journal = $2::text THEN r.last_seq < list.first ELSE r.seen_last < list.at END
                AND (r.seen_until IS NULL OR r.seen_until > list.at)
            """, [place[0], place[1], place[3]], doing: "end rules")
    }
}
