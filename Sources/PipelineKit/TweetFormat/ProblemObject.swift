/// An error object of X, wherever it stands: a problem (RFC 7807), or an older error with a message.
///
/// X documents none of its members as always there; a member of another type than expected counts as absent.
package struct ProblemObject: Sendable, Equatable {
    /// A short name, such as `operational-disconnect` or `ConnectionException`.
    package var title: String?
    /// A sentence for a person.
    package var detail: String?
    /// The last path segment of the problem's `type` URI: X has two hosts for the same problems.
    package var type: String?
    /// The sentence of errors that are older than problem objects.
    package var message: String?
    package var reason: String?
    /// Sentences, where there are several.
    package var details: [String] = []
    /// Why X disconnects; an open list (x-api: `OperationalDisconnectProblem`).
    package var disconnectType: String?
    /// Why X refuses the connection; an open list (x-api: `ConnectionExceptionProblem`).
    package var connectionIssue: String?

    package init(
        title: String? = nil, detail: String? = nil, type: String? = nil, message: String? = nil,
        disconnectType: String? = nil, connectionIssue: String? = nil
    ) {
        (self.title, self.detail, self.type, self.message) = (title, detail, type, message)
        (self.disconnectType, self.connectionIssue) = (disconnectType, connectionIssue)
    }

    /// Reads one object.
    package init(_ node: JSONNode) {
        title = node["title"]?.text
        detail = node["detail"]?.text
        type = node["type"]?.text.map { String($0.split(separator: "/").last ?? "") }
        message = node["message"]?.text
        reason = node["reason"]?.text
        details = node["details"].elements.compactMap(\.text)
        disconnectType = node["disconnect_type"]?.text
        connectionIssue = node["connection_issue"]?.text
    }

    /// Reads an answer or a line: an object, whose missing members are those of the first of its `errors`; nil for what is no
    /// JSON object.
    package init?(_ bytes: [UInt8]) {
        var parser = LineParser()
        let found: ProblemObject? = unsafe bytes.withUnsafeBytes { bytes in
            guard let root = try? unsafe parser.parse(bytes), root.isObject else { return nil }
            var problem = ProblemObject(root)
            if let first = root["errors"].elements.first { problem.fillGaps(from: ProblemObject(first)) }
            return problem
        }
        guard let found else { return nil }
        self = found
    }

    private mutating func fillGaps(from other: ProblemObject) {
        title = title ?? other.title
        detail = detail ?? other.detail ?? other.message
        type = type ?? other.type
        message = message ?? other.message
        if details.isEmpty { details = other.details }
        connectionIssue = connectionIssue ?? other.connectionIssue
        disconnectType = disconnectType ?? other.disconnectType
    }

    /// What it says, in sentences.
    package var text: String? {
        details.isEmpty ? detail ?? message ?? reason : details.joined(separator: "; ")
    }

    func mentions(_ word: String) -> Bool {
        [title, detail, type, message, reason].contains { $0?.contains(word) == true }
    }
}
