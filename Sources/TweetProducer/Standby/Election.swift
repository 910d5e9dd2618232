/// Which part a producer plays, as a pure value fed with what Kafka's group and X report.
///
/// Kafka's group knows who has the lease. X is the fence: it allows one connection. So a producer that has lost the group keeps
/// reading, and one that never had the lease does not begin.
struct Election: Equatable, Sendable {
    enum Role: String, Sendable {
        /// The group has not answered since the start.
        case undecided
        /// Another producer has the lease.
        case passive
        /// The lease is ours.
        case active
        /// The lease was ours, and the group has not said since whose it is.
        case unsure
        /// The lease was ours, and X has given the connection to another producer.
        case displaced
    }

    private(set) var role = Role.undecided

    /// Whether X is read.
    var reads: Bool { role == .active || role == .unsure }

    /// The group has answered whose the lease is.
    ///
    /// - Parameter isOurs: whether we have the lease.
    /// - Returns: whether reading begins.
    mutating func elected(_ isOurs: Bool) -> Bool {
        let didRead = reads
        role = isOurs ? .active : .passive
        return reads && !didRead
    }

    /// The group elects anew, or cannot be reached any more.
    mutating func revoked() {
        if role == .active { role = .unsure }
    }

    /// X has ended our connection in favour of another one, or does not allow it beside another one.
    ///
    /// - Returns: whether reading ends; it does not while the lease is certainly ours.
    mutating func displaced() -> Bool {
        guard role == .unsure else { return false }
        role = .displaced
        return true
    }

    /// The group has not answered for a long time since we were displaced: X is tried again.
    ///
    /// - Returns: whether reading begins.
    mutating func patienceEnded() -> Bool {
        guard role == .displaced else { return false }
        role = .unsure
        return true
    }
}
