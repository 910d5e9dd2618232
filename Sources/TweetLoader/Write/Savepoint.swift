import Postgres

extension PostgresConnection {
    /// Runs `work` inside a savepoint and takes back what it did when it throws.
    func inSavepoint<Result>(
        _ work: () throws(PostgresError) -> Result
    ) throws(PostgresError) -> Result {
        try execute("SAVEPOINT piece")
        do {
            let result = try work()
            try execute("RELEASE SAVEPOINT piece")
            return result
        } catch {
            if !error.isConnectionLost { try takeBack() }
            throw error
        }
    }

    private func takeBack() throws(PostgresError) {
        try execute("ROLLBACK TO SAVEPOINT piece; RELEASE SAVEPOINT piece")
    }

    /// Does `work` with all items, or else with all but the bad ones, which are found by halving: for one bad item among
    /// n about 2·log₂ n statements more.
    ///
    /// - Returns: the items that fail alone, each with its error.
    /// - Throws: `PostgresError` that is not a matter of an item (`Disposition` other than `rejectRow`).
    func isolating<Item>(
        _ items: ArraySlice<Item>, _ work: (ArraySlice<Item>) throws(PostgresError) -> Void
    ) throws(PostgresError) -> [(item: Item, error: PostgresError)] {
        guard let first = items.first else { return [] }
        do {
            try inSavepoint { () throws(PostgresError) in try work(items) }
            return []
        } catch {
            guard error.disposition == .rejectRow else { throw error }
            if items.count == 1 { return [(first, error)] }
        }
        let middle = items.startIndex + items.count / 2
        return try isolating(items[..<middle], work) + isolating(items[middle...], work)
    }
}
