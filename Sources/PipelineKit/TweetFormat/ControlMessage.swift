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

extension ControlMessage {
    /// Reads `errors`, or the line itself where it is one problem object; nil when it is neither.
    package init?(_ line: JSONNode) {
        if let errors = line["errors"] {
            problems = errors.elements.map(Problem.init)
        } else {
            let problem = Problem(line)
            let isProblem = problem.title != nil && (problem.type != nil || problem.detail != nil)
            problems = isProblem ? [problem] : []
        }
        if problems.isEmpty { return nil }
    }
}

extension ControlMessage.Problem {
    fileprivate init(_ problem: JSONNode) {
        title = problem["title"]?.text
        // Errors that are older than problem objects have a message instead.
        detail = (problem["detail"] ?? problem["message"])?.text
        type = problem["type"]?.text.map { String($0.split(separator: "/").last ?? "") }
        disconnectType = problem["disconnect_type"]?.text
        connectionIssue = problem["connection_issue"]?.text
    }
}

extension JSONNode {
    /// A string of its own, for the rare lines.
    package var text: String? {
        string.map { unsafe String(decoding: $0.bytes, as: UTF8.self) }
    }
}
