/// An operational message of X in place of a tweet: a line with `errors`, or one problem object (RFC 7807), and no
/// `data`.
package struct ControlMessage: Sendable, Equatable {
    /// One problem; X documents none of its members as always there.
    package struct Problem: Sendable, Equatable {
        /// A short name, such as `operational-disconnect` or `ConnectionException`.
        package var title: String?
        /// A sentence for a person.
        package var detail: String?
        /// The last path segment of the problem's `type` URI: X has two hosts for the same problems.
        package var type: String?
        /// Why X disconnects; an open list (x-api: `OperationalDisconnectProblem`).
        package var disconnectType: String?
        /// Why X refuses the connection; an open list (x-api: `ConnectionExceptionProblem`).
        package var connectionIssue: String?

        package init(
            title: String? = nil, detail: String? = nil, type: String? = nil,
            disconnectType: String? = nil, connectionIssue: String? = nil
        ) {
            self.title = title
            self.detail = detail
            self.type = type
            self.disconnectType = disconnectType
            self.connectionIssue = connectionIssue
        }
    }

    /// The problems, at least one, in X's order.
    package let problems: [Problem]

    package init(problems: [Problem]) {
        self.problems = problems
    }
}
