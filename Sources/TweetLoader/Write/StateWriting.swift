import Postgres

/// Writes the states of things that lines bring: new things are copied straight into their table, changed ones are merged.
///
/// Which things are new is looked up first. When another transaction commits one of them meanwhile, the COPY fails by a unique
/// violation, is taken back as a whole, and what is stored is looked up again. New things are locked before changed ones,
/// each in the order of keys, and no key is new to one transaction while it is stored for another that can commit: so two
/// loaders wait for each other, never in a circle.
struct StateWriting {
    private let tables: TableWriting
    private let relation: Relation
    /// What is known to be stored of these things.
    private let cached: StatePartitions.Known

    /// How often rows are copied before they are merged. Each time another loader has committed some of them.
    private static let attempts = 3

    init(_ tables: TableWriting, _ relation: Relation, known: StatePartitions.Known) {
        self.tables = tables
        self.relation = relation
        cached = known
    }

    /// What to write of one relation.
    private struct Plan {
        /// Newest states of things that are not stored.
        var new: [RelationRows.Row] = []
        /// Newest states of things that are stored.
        var changed: [RelationRows.Row] = []
        /// States that a newer one has replaced already.
        let past: [RelationRows.Row]

        init(_ states: ArraySlice<RelationRows.Row>, _ cached: StatePartitions.Known, _ stored: StatePartitions.Known) {
            let filter = RowFilter(states: states) { cached[$0] ?? stored[$0] }
            past = filter.past
            for row in filter.rows {
                if cached[row.key] == nil, stored[row.key] == nil { new.append(row) } else { changed.append(row) }
            }
        }

        /// The same without a COPY into the table.
        mutating func mergeAll() {
            changed = RowFilter(new + changed).rows
            new = []
        }
    }

    /// Writes states.
    ///
    /// - Returns: what is stored of these things now, as far as it was not known before.
    /// - Throws: `PostgresError`.
    func write(
        _ states: ArraySlice<RelationRows.Row>, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> StatePartitions.Known {
        let unknown = RowFilter(states: states.lazy.filter { cached[$0.key] == nil }, known: { _ in nil }).rows
        var stored = try lookUp(unknown, connection)
        var plan = Plan(states, cached, stored)
        for attempt in 1... {
            do {
                try write(plan, connection)
                break
            } catch {
                guard error.isUniqueViolation, !plan.new.isEmpty else { throw error }
            }
            let found = try lookUp(unknown, connection)
            // Without a new finding another constraint of the table is violated: merging finds the row.
            let isAnswer = found.count > stored.count && attempt < Self.attempts
            stored = found
            plan = Plan(states, cached, stored)
            if !isAnswer { plan.mergeAll() }
        }
        for row in plan.new + plan.changed {
            stored[row.key] = StatePartitions.State(fingerprint: row.detail, seenAt: row.seenAt)
        }
        return stored
    }

    /// What PostgreSQL has of these things.
    private func lookUp(
        _ things: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> StatePartitions.Known {
        guard !things.isEmpty else { return [:] }
        let keys =
            relation.hasTextKey
            ? arrayLiteral(things.map { tables.rows[relation].firstText(of: $0) })
            : arrayLiteral(things.map(\.key))
        let answer = try connection.query(relation.lookUpSQL, [keys], doing: "look up \(relation.table)")
        var stored = StatePartitions.Known(minimumCapacity: answer.rowCount)
        for row in 0..<answer.rowCount {
            guard let place = answer.integer(row, 0), let fingerprint = answer.integer(row, 1),
                let seenAt = answer.integer(row, 2)
            else { continue }
            stored[things[Int(place) - 1].key] = StatePartitions.State(fingerprint: fingerprint, seenAt: seenAt)
        }
        return stored
    }

    private func write(_ plan: Plan, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        let keepsPast = relation == .users
        if !plan.new.isEmpty || (keepsPast && !plan.past.isEmpty) {
            try connection.inSavepoint { () throws(PostgresError) in
                if keepsPast { try keepPast(plan.past, connection) }
                try tables.copy(plan.new, into: relation, connection)
            }
        }
        let count = try tables.merge(plan.changed, into: relation, connection)
        if keepsPast, count < plan.changed.count {
            try connection.execute(Relation.keepPastUsersSQL, doing: "keep past states of users")
        }
    }

    private func keepPast(
        _ states: [RelationRows.Row], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !states.isEmpty else { return }
        try tables.stage(states, of: .users, connection)
        try connection.execute(
            "\(Relation.keepPastUsersSQL); DELETE FROM \(Relation.users.staging)", doing: "keep past states of users")
    }
}
