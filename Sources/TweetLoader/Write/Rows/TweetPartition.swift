import Core
import TweetFormat

/// The monthly partition of `tweets`, and of `tweet_rules`, that an id belongs to.
///
/// One partition holds all ids from before the snowflakes (2006 to 2010); the ids' own time decides for the rest.
package struct TweetPartition: Sendable, Hashable {
    /// The table's name: `tweets_y2026m11`, or `tweets_oldest`.
    package let name: String
    /// The lowest id, inclusive; nil: no bound.
    package let lowerID: Int64?
    /// The bound above, exclusive; nil: no bound.
    package let upperID: Int64?

    /// The partition of an id.
    package init(containing id: Int64) {
        guard let made = Snowflake.timestamp(of: id) else {
            self.init(name: "tweets_oldest", lowerID: nil, upperID: Snowflake.lastCountedID + 1)
            return
        }
        let day = CivilDate(daysSince1970: made.milliseconds / 86_400_000)
        let isDecember = day.month == 12
        let next = CivilDate(year: isDecember ? day.year + 1 : day.year, month: isDecember ? 1 : day.month + 1, day: 1)
        self.init(
            name: "tweets_y\(day.year)m\(day.month < 10 ? "0" : "")\(day.month)",
            lowerID: Snowflake.firstID(at: CivilDate(year: day.year, month: day.month, day: 1).midnight),
            upperID: Snowflake.firstID(at: next.midnight))
    }

    /// The partition of the tweets that are made at that moment.
    package init(at moment: Timestamp) {
        self.init(containing: Snowflake.firstID(at: moment) ?? .max)
    }

    private init(name: String, lowerID: Int64?, upperID: Int64?) {
        self.name = name
        self.lowerID = lowerID
        self.upperID = upperID
    }

    /// The partition of the following month; nil after the last.
    package var next: TweetPartition? {
        upperID.map(TweetPartition.init(containing:))
    }

    /// Whether an id belongs here.
    package func contains(_ id: Int64) -> Bool {
        (lowerID.map { id >= $0 } ?? true) && (upperID.map { id < $0 } ?? true)
    }

    /// The condition that an id belongs here: in a statement on `tweets`, PostgreSQL then plans for this partition alone, in
    /// whatever schema it is.
    ///
    /// - Parameter column: the column with the id, as SQL writes it.
    /// - Returns: a comparison with each bound.
    package func condition(on column: String) -> String {
        [lowerID.map { "\(column) >= \($0)" }, upperID.map { "\(column) < \($0)" }].compactMap { $0 }
            .joined(separator: " AND ")
    }

    /// The partition of `tweet_rules` with the same bounds.
    package var rulesName: String { name.replacing("tweets_", with: "tweet_rules_") }

    /// Creates both partitions in the schema of partitions, unless tables of their names are there.
    ///
    /// Made first and attached then, because that does not block readers and writers of `tweets`; `CREATE … PARTITION OF`
    /// would wait for all of them, and everybody for it (PostgreSQL, "Partition Maintenance"). Two sessions that create
    /// at the same time must take an advisory lock first.
    package var createSQL: String {
        let lower = lowerID.map { String($0) } ?? "MINVALUE"
        let upper = upperID.map { String($0) } ?? "MAXVALUE"
        let parts = [("tweets", name), ("tweet_rules", rulesName)].map { table, partition in
            """
            IF to_regclass(home || '.\(partition)') IS NULL THEN
                EXECUTE 'CREATE TABLE ' || home || '.\(partition) (LIKE \(table) INCLUDING ALL EXCLUDING COMMENTS)';
                EXECUTE 'ALTER TABLE \(table) ATTACH PARTITION ' || home
                    || '.\(partition) FOR VALUES FROM (\(lower)) TO (\(upper))';
            END IF;
            """
        }
        return "DO $$ DECLARE home text := partition_schema(); BEGIN\n\(parts.joined())\nEND $$"
    }
}

extension CivilDate {
    fileprivate var midnight: Timestamp { Timestamp(milliseconds: daysSince1970 * 86_400_000) }
}
