import Postgres

/// Writes the rows of lines into their tables, in the order of `Relation`; each call is one savepoint's work.
struct LineWriting {
    /// How tweets get into their table, the fastest way first.
    enum Way {
        /// Copied, those that are known to be stored left out; a unique violation when one is stored that is not known.
        case copyUnknown
        /// Copied, after all of them were looked up; a unique violation only when another process commits one meanwhile.
        case copyAbsent
        /// Merged through staging.
        case merge
    }

    private let rows: RelationRows
    private let tables: TableWriting
    private let recent: RecentIDs
    private let shared: SharedWriting.Outcome
    private let way: Way

    /// - Parameters:
    ///   - rows: of a batch.
    ///   - recent: tweets that were stored lately.
    ///   - shared: what became of the rows that lines share; those that are stored are left out.
    ///   - way: of the tweets.
    init(_ rows: RelationRows, recent: RecentIDs, shared: SharedWriting.Outcome, _ way: Way) {
        self.rows = rows
        tables = TableWriting(rows: rows)
        self.recent = recent
        self.shared = shared
        self.way = way
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
        let outcome = try writeTweets(messages, connection)
        for relation in [Relation.tweetErrors, .timelineEntries] {
            try tables.merge(RowFilter(rows.rows(relation, of: messages)).rows, into: relation, connection)
        }
        guard case .rejected = shared else { return outcome }
        try tables.merge(RowFilter(rows.rows(.tweetVersions, of: messages)).rows, into: .tweetVersions, connection)
        for relation in Relation.allCases where relation.isState {
            let writing = StateWriting(tables, relation, known: [:])
            _ = try writing.write(rows.rows(relation, of: messages), connection)
        }
        return outcome
    }

    // MARK: Tweets and their rules

    private func writeTweets(
        _ messages: ClosedRange<Int>, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> TweetWriter.Outcome {
        let tweets = selection(messages)
        let rules = RowFilter(rows.rows(.tweetRules, of: messages)).rows
        if way != .merge { return try copy(tweets, rules, connection) }
        let inserted = try mergeTweets(tweets.all, connection)
        var hours = HourCounts()
        try merge(rules, &hours, connection)
        let duplicates = tweets.matchedCount - inserted
        return TweetWriter.Outcome(
            inserted: inserted, duplicates: duplicates, isSurprised: duplicates > 0, hours: hours)
    }

    private func selection(_ messages: ClosedRange<Int>) -> TweetSelection {
        let tweets = rows.rows(.tweets, of: messages)
        guard case .stored(let known, _) = shared else { return TweetSelection(tweets, isKnown: recent.contains) }
        var selection = TweetSelection(tweets) { recent.contains($0) || known.contains($0) }
        selection.included = []
        return selection
    }

    /// Copies what is thought to be new straight into `tweets`; a unique violation when it is not. A matched tweet that was only
    /// included before takes the place of that row: deleting it and copying costs half of what a merge through staging does.
    private func copy(
        _ tweets: TweetSelection, _ rules: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> TweetWriter.Outcome {
        let unsure = tweets.again + tweets.included + (way == .copyAbsent ? tweets.fresh : [])
        let stored = try StoredTweets(among: unsure, connection)
        let matched = (tweets.fresh + tweets.again).filter { !stored.hasMatched($0.key) }
        try deleteIncluded(matched.filter { stored.contains($0.key) }, connection)
        let included = tweets.included.filter { !stored.contains($0.key) }
        try tables.copy(RowFilter(matched + included).rows, into: .tweets, connection)
        let mayBeStored = { (id: Int64) in stored.hasMatched(id) || tweets.repeated.contains(id) }
        let newRules = rules.filter { !mayBeStored($0.key) }
        var hours = HourCounts()
        hours.add(newRules, of: rows[.tweetRules])
        try tables.copy(newRules, into: .tweetRules, connection)
        try merge(rules.filter { mayBeStored($0.key) }, &hours, connection)
        let duplicates = tweets.matchedCount - matched.count
        return TweetWriter.Outcome(
            inserted: matched.count, duplicates: duplicates, isSurprised: way == .copyAbsent && duplicates > 0,
            hours: hours)
    }

    /// Merges rules through the staging table, and counts those that are new.
    private func merge(
        _ rules: [RelationRows.Row], _ hours: inout HourCounts, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !rules.isEmpty else { return }
        try tables.stage(rules, of: .tweetRules, connection)
        hours.add(merged: try connection.query(Relation.tweetRules.mergeSQL, doing: "merge into tweet_rules"))
    }

    /// Deletes rows of tweets that no rule matched. They are locked in the order of ids, as every loader does.
    private func deleteIncluded(
        _ tweets: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        for (partition, ids) in tweets.idsByPartition {
            _ = try connection.query(
                """
                WITH locked AS MATERIALIZED (
                    SELECT found.id FROM unnest($1::bigint[]) AS wanted (id)
                    CROSS JOIN LATERAL (
                        SELECT t.id FROM tweets AS t WHERE t.id = wanted.id AND \(partition.condition(on: "t.id"))
                            AND NOT t.matched FOR UPDATE) AS found)
                DELETE FROM tweets WHERE id = ANY (ARRAY(SELECT id FROM locked)) AND \(partition.condition(on: "id"))
                """, [arrayLiteral(ids)], doing: "replace included tweets")
        }
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
    fileprivate(set) var included: [RelationRows.Row] = []
    /// Matched by several of these lines: the same rule may come twice.
    private(set) var repeated: Set<Int64> = []
    /// How many lines there are.
    private(set) var matchedCount = 0

    /// - Parameters:
    ///   - tweets: rows of the lines.
    ///   - isKnown: whether a tweet was stored lately.
    init(_ tweets: ArraySlice<RelationRows.Row>, isKnown: (Int64) -> Bool) {
        var ids = Set<Int64>(minimumCapacity: tweets.count)
        for tweet in tweets where tweet.isMatched {
            matchedCount += 1
            guard ids.insert(tweet.key).inserted else {
                repeated.insert(tweet.key)
                continue
            }
            if isKnown(tweet.key) { again.append(tweet) } else { fresh.append(tweet) }
        }
        for tweet in tweets where !tweet.isMatched && !isKnown(tweet.key) && ids.insert(tweet.key).inserted {
            included.append(tweet)
        }
    }

    /// All of them, in the order of ids.
    var all: [RelationRows.Row] { RowFilter(fresh + again + included).rows }
}
