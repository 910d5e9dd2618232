import Core
import Postgres

/// What `status --check` asks for.
struct StatusLimits {
    /// Messages that may be unsettled; nil for any number.
    var lag: Int64?
    /// Age that the oldest unsettled message may have; nil for any.
    var age: Duration?

    /// What of a status is not as it should be.
    ///
    /// - Parameter status: read a moment ago.
    /// - Returns: a sentence for each failure; empty when there is none.
    /// - Throws: `DatabaseError` (`wait`) when there is a limit and the lag is not known.
    func failures(of status: LoaderStatus) throws(DatabaseError) -> [String] {
        var failures = status.loaders.compactMap(\.problem)
        if status.loaders.isEmpty { failures.append("no loader is running") }
        guard lag != nil || age != nil else { return failures }
        guard let found = status.lag else {
            let reason = status.problems.isEmpty ? "" : ": \(status.problems.joined(separator: "; "))"
            throw DatabaseError(.wait, "the lag is unknown\(reason)")
        }
        if let lag, found > lag { failures.append("\(found) messages are not settled; the limit is \(lag)") }
        let oldest = status.partitions.compactMap(\.secondsUnsettled).max() ?? 0
        if let age, oldest > age.components.seconds {
            failures.append("the oldest unsettled message is \(shortAge(oldest)) old; the limit is \(age.short)")
        }
        return failures
    }
}
