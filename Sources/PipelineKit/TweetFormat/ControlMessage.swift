/// An operational message of X in place of a tweet: a line with `errors`, or one problem object (RFC 7807), and no
/// `data`.
package struct ControlMessage: Sendable, Equatable {
    /// The problems, at least one, in X's order.
    package let problems: [ProblemObject]

    package init(problems: [ProblemObject]) {
        self.problems = problems
    }
}

extension ControlMessage {
    /// Reads `errors`, or the line itself where it is one problem object; nil when it is neither.
    package init?(_ line: JSONNode) {
        if let errors = line["errors"] {
            problems = errors.elements.map { ProblemObject($0) }
        } else {
            let problem = ProblemObject(line)
            let isProblem = problem.title != nil && (problem.type != nil || problem.detail != nil)
            problems = isProblem ? [problem] : []
        }
        if problems.isEmpty { return nil }
    }
}

extension JSONNode {
    /// A string of its own, for the rare lines.
    package var text: String? {
        string.map { unsafe String(decoding: $0.bytes, as: UTF8.self) }
    }
}
