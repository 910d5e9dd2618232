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
        if mayCopy { return try copy(tweets, rules, connection) }
        let inserted = try mergeTweets(tweets.all, connection)
        try tables.merge(rules, into: .tweetRules, connection)
        let duplicates = tweets.matchedCount - inserted
        return TweetWriter.Outcome(inserted: inserted, duplicates: duplicates, isSurprised: duplicates > 0)
    }

    /// Copies what is thought to be new straight into `tweets`; a unique violation when it is not. A matched tweet that was only
    /// included before takes the place of that row: deleting it and copying costs half of what a merge through staging does.
    private func copy(
        _ tweets: TweetSelection, _ rules: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> TweetWriter.Outcome {
        let stored = try storedTweets(among: tweets.again + tweets.included, connection)
        try deleteIncluded(tweets.again.filter { stored[$0.key] == false }, connection)
        let matched = tweets.fresh + tweets.again.filter { stored[$0.key] != true }
        let included = tweets.included.filter { stored[$0.key] == nil }
        try tables.copy(RowFilter(matched + included).rows, into: .tweets, connection)
        let mayBeStored = { (id: Int64) in stored[id] == true || tweets.repeated.contains(id) }
        try tables.copy(rules.filter { !mayBeStored($0.key) }, into: .tweetRules, connection)
        try tables.merge(rules.filter { mayBeStored($0.key) }, into: .tweetRules, connection)
        return TweetWriter.Outcome(inserted: matched.count, duplicates: tweets.matchedCount - matched.count)
    }

    /// Which of the tweets are stored, and whether a rule matched them; asked id by id, as a join might read every partition.
    private func storedTweets(
        among tweets: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [Int64: Bool] {
        guard !tweets.isEmpty else { return [:] }
        let answer = try connection.query(
            """
            SELECT wanted.id, found.matched FROM unnest($1::bigint[]) AS wanted (id)
            CROSS JOIN LATERAL (SELECT t.matched FROM tweets AS t WHERE t.id = wanted.id LIMIT 1) AS found
            """, [arrayLiteral(tweets.map(\.key))], doing: "look up tweets")
        var stored = [Int64: Bool](minimumCapacity: answer.rowCount)
        for row in 0..<answer.rowCount {
            if let id = answer.integer(row, 0) { stored[id] = answer.text(row, 1) == "t" }
        }
        return stored
    }

    /// Deletes rows of tweets that no rule matched. They are locked in the order of ids, as every loader does.
    private func deleteIncluded(
        _ tweets: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !tweets.isEmpty else { return }
        _ = try connection.query(
            """
            WITH locked AS MATERIALIZED (
                SELECT found.id FROM unnest($1::bigint[]) AS wanted (id)
                CROSS JOIN LATERAL (
                    SELECT t.id FROM tweets AS t WHERE t.id = wanted.id AND NOT t.matched FOR UPDATE) AS found)
            DELETE FROM tweets WHERE id = ANY (ARRAY(SELECT id FROM locked))
            """, [arrayLiteral(RowFilter(tweets).rows.map(\.key))], doing: "replace included tweets")
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
    /// Matched by several of these lines: the same rule may come twice.
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
            again.append(tweet)
        }
        for tweet in tweets where !tweet.isMatched && !recent.contains(tweet.key) && ids.insert(tweet.key).inserted {
            included.append(tweet)
        }
    }

    /// All of them, in the order of ids.
    var all: [RelationRows.Row] { RowFilter(fresh + again + included).rows }
}
