import Core
import Postgres
import TweetFormat

/// Keeps the newest heartbeat of each producer; the number in its journal says which is newer, whatever the clocks say.
enum StreamStateTable {
    /// Whether an event is a heartbeat of a producer. One without headers is an event like any other.
    static func holds(_ row: EventRow) -> Bool {
        row.event?.type == .alive && row.message.headers != nil
    }

    /// Takes over heartbeats, of which only the newest of each journal matters, and marks gaps of their streams that other
    /// journals cover by now.
    ///
    /// - Parameters:
    ///   - rows: heartbeats, as `holds` finds them.
    ///   - connection: to the database.
    /// - Throws: `PostgresError` when PostgreSQL rejects it.
    static func update(with rows: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        var newest: [JournalName: EventRow] = [:]
        for row in rows {
            guard let headers = row.message.headers else { continue }
            let name = JournalName(headers)
            if headers.seq > newest[name]?.message.headers?.seq ?? 0 { newest[name] = row }
        }
        // In one order, so that loaders that replay the same lines do not wait for each other in a circle.
        let states = newest.sorted { $0.key < $1.key }.map { State($1) }
        guard !states.isEmpty else { return }
        _ = try connection.query(updateSQL, columns(states), doing: "update stream_state")
        // The posts that cover a gap are stored after the events that end it.
        try StreamCoverage.update(Set(newest.keys.map(\.stream)), connection)
    }

    private static let updateSQL = """
        INSERT INTO stream_state AS s (stream, journal, seq, alive_at, settled_at, due_after, connected, passive, connection,
            last_received_at, last_post_at, unacknowledged_from, posts_today, posts_of_cycle, limit_per_day,
            limit_per_cycle, journal_bytes, available_bytes, rules)
        SELECT n.stream, n.journal, n.seq, n.alive_at, clock_timestamp(), n.due_after * interval '1 millisecond',
            n.connected, n.passive, n.connection, n.last_received_at, n.last_post_at, n.unacknowledged_from,
            n.posts_today, n.posts_of_cycle, n.limit_per_day, n.limit_per_cycle, n.journal_bytes, n.available_bytes, n.rules
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::boolean[], $7::boolean[],
            $8::bigint[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::bigint[], $13::bigint[],
            $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
            AS n (stream, journal, seq, alive_at, due_after, connected, passive, connection, last_received_at, last_post_at,
                unacknowledged_from, posts_today, posts_of_cycle, limit_per_day, limit_per_cycle, journal_bytes,
                available_bytes, rules)
        ON CONFLICT (stream, journal) DO UPDATE SET
            seq = excluded.seq, alive_at = excluded.alive_at, settled_at = excluded.settled_at,
            due_after = excluded.due_after, connected = excluded.connected, passive = excluded.passive,
            connection = excluded.connection, last_received_at = excluded.last_received_at,
            last_post_at = excluded.last_post_at, unacknowledged_from = excluded.unacknowledged_from,
            posts_today = excluded.posts_today, posts_of_cycle = excluded.posts_of_cycle,
            limit_per_day = excluded.limit_per_day, limit_per_cycle = excluded.limit_per_cycle,
            journal_bytes = excluded.journal_bytes, available_bytes = excluded.available_bytes, rules = excluded.rules
        WHERE excluded.seq > s.seq
        """

    /// One heartbeat, every member of it checked: anybody may write to the topic. What cannot be true is unknown.
    private struct State {
        let row: EventRow
        let producer: ProducerState

        init(_ row: EventRow) {
            self.row = row
            producer = row.event?.producer ?? ProducerState()
        }

        func time(_ text: String?) -> String? {
            text.flatMap { Timestamp($0) }.flatMap { $0.isStorable ? $0.description : nil }
        }

        func number(_ number: Int64?) -> Int64? { number.flatMap { $0 >= 0 ? $0 : nil } }

        /// A day at most.
        var interval: Int64? { producer.interval.flatMap { (1...86_400_000).contains($0) ? $0 : nil } }
    }

    /// Arrays in the order of `updateSQL`'s parameters.
    private static func columns(_ states: [State]) -> [String?] {
        func flags(_ values: [Bool?]) -> String { arrayLiteral(values.map { $0.map { $0 ? "t" : "f" } }) }
        func numbers(_ member: (ProducerState) -> Int64?) -> String {
            arrayLiteral(states.map { $0.number(member($0.producer)) })
        }
        let rows = states.map(\.row)
        let headers = rows.map(\.message.headers)
        return [
            arrayLiteral(headers.map { $0?.stream }), arrayLiteral(headers.map { $0?.journal }),
            arrayLiteral(headers.map { $0?.seq }), arrayLiteral(rows.map { $0.at?.description }),
            arrayLiteral(states.map(\.interval)), flags(states.map(\.producer.isConnected)),
            flags(states.map(\.producer.isPassive)), arrayLiteral(rows.map(\.connection)),
            arrayLiteral(rows.map { $0.lastReceivedAt?.description }),
            arrayLiteral(states.map { $0.time($0.producer.lastPostAt) }),
            arrayLiteral(states.map { $0.time($0.producer.oldestUnacknowledgedAt) }),
            numbers(\.postsToday), numbers(\.postsOfCycle), numbers(\.limitPerDay), numbers(\.limitPerCycle),
            numbers(\.journalBytes), numbers(\.availableBytes), numbers(\.rules),
        ]
    }
}
