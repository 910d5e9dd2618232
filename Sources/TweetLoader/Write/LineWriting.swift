import Postgres

/// Writes the rows of lines into their tables, in the order of `Relation`; each call is one savepoint's work.
struct LineWriting {
    private let rows: RelationRows
    private let tables: TableWriting
    private let recent: RecentIDs
    private let states: StatePartitions
    /// Whether tweets may be copied straight into the table.
    private let mayCopy: Bool

    init(_ rows: RelationRows, recent: RecentIDs, states: StatePartitions, mayCopy: Bool) {
        self.rows = rows
        tables = TableWriting(rows: rows)
        self.recent = recent
        self.states = states
        self.mayCopy = mayCopy
    }

    /// Empties every staging table, for another piece of the same transaction.
    static let clearStagingSQL = Relation.allCases.map { "\($0.createStagingSQL); DELETE FROM \($0.staging)" }
        .joined(separator: ";\n")

    /// Writes all rows of these lines, of which there is at least one.
    func write(
        _ lines: ArraySlice<Batch.Line>, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> TweetWriter.Outcome {
        guard let first = lines.first, let last = lines.last else { return TweetWriter.Outcome() }
        let messages = first.message...last.message
        var outcome = try writeTweets(messages, connection)
        for relation in [Relation.tweetVersions, .tweetErrors] {
            try tables.merge(RowFilter(rows.rows(relation, of: messages)).rows, into: relation, connection)
        }
        let writing = StateWriting(tables, known: states)
        for relation in Relation.allCases where relation.isState {
            let stored = try writing.write(rows.rows(relation, of: messages), of: relation, connection)
            outcome.states.append((relation, stored))
        }
        return outcome
    }

    // MARK: Tweets and their rules

    private func writeTweets(
        _ messages: ClosedRange<Int>, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> TweetWriter.Outcome {
        let tweets = TweetSelection(rows.rows(.tweets, of: messages), recent: recent)
        let rules = RowFilter(rows.rows(.tweetRules, of: messages)).rows
        if mayCopy {
            try copy(tweets, connection)
            let again = try mergeTweets(tweets.again, connection)
            try tables.copy(rules.filter { !tweets.repeated.contains($0.key) }, into: .tweetRules, connection)
            try tables.merge(rules.filter { tweets.repeated.contains($0.key) }, into: .tweetRules, connection)
            return TweetWriter.Outcome(
                inserted: tweets.fresh.count + again, duplicates: tweets.matchedCount - tweets.fresh.count - again)
        }
        let inserted = try mergeTweets(tweets.all, connection)
        try tables.merge(rules, into: .tweetRules, connection)
        let duplicates = tweets.matchedCount - inserted
        return TweetWriter.Outcome(inserted: inserted, duplicates: duplicates, isSurprised: duplicates > 0)
    }

    /// Copies what is thought to be new straight into `tweets`; a unique violation when it is not.
    private func copy(
        _ tweets: TweetSelection, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let stored = try storedIDs(among: tweets.included, connection)
        let new = RowFilter(tweets.fresh + tweets.included.filter { !stored.contains($0.key) }).rows
        try tables.copy(new, into: .tweets, connection)
    }

    /// Which of the tweets are stored, asked id by id: a join might read every partition.
    private func storedIDs(
        among tweets: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Set<Int64> {
        guard !tweets.isEmpty else { return [] }
        let answer = try connection.query(
            """
            SELECT wanted.id FROM unnest($1::bigint[]) AS wanted (id)
            CROSS JOIN LATERAL (SELECT count(*) AS rows FROM tweets AS t WHERE t.id = wanted.id) AS found
            WHERE found.rows > 0
            """, [arrayLiteral(tweets.map(\.key))], doing: "look for included tweets")
        return Set((0..<answer.rowCount).compactMap { answer.integer($0, 0) })
    }

    /// Merges tweets through the staging table; returns how many a rule matched that were not there, or only included.
    private func mergeTweets(
        _ tweets: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Int {
        guard !tweets.isEmpty else { return 0 }
        try tables.stage(tweets, of: .tweets, connection)
        let answer = try connection.query(Relation.tweets.mergeSQL, doing: "merge into tweets")
        return Int(answer.integer(0, 0) ?? 0)
    }
}

/// The tweets that a run of lines brings, each once: one that a rule matched goes before one that is only included.
struct TweetSelection {
    /// Matched, and not known to be stored.
    private(set) var fresh: [RelationRows.Row] = []
    /// Matched, and stored lately, perhaps as an included one.
    private(set) var again: [RelationRows.Row] = []
    /// Only included, and not stored lately.
    private(set) var included: [RelationRows.Row] = []
    /// Matched by several of these lines, or stored lately: rules of theirs may be stored, too.
    private(set) var repeated: Set<Int64> = []
    /// How many lines there are.
    private(set) var matchedCount = 0

    init(_ tweets: ArraySlice<RelationRows.Row>, recent: RecentIDs) {
        var ids = Set<Int64>(minimumCapacity: tweets.count)
        for tweet in tweets where tweet.isMatched {
            matchedCount += 1
            guard ids.insert(tweet.key).inserted else {
                repeated.insert(tweet.key)
                continue
            }
            guard recent.contains(tweet.key) else {
                fresh.append(tweet)
                continue
            }
            repeated.insert(tweet.key)
            again.append(tweet)
        }
        for tweet in tweets where !tweet.isMatched && !recent.contains(tweet.key) && ids.insert(tweet.key).inserted {
            included.append(tweet)
        }
    }

    /// All of them, in the order of ids.
    var all: [RelationRows.Row] { RowFilter(fresh + again + included).rows }
}
