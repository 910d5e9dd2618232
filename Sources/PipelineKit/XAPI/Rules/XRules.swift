import Core
import FoundationEssentials

/// The rules at X: list, add, delete (X: "Filtered stream", rules).
package struct XRules: Sendable {
    private let api: XAPI

    private static let path = "/2/tweets/search/stream/rules"

    /// A service gives its stop, so that no call outlives it for long; `patience` and `onWait` are those of `XAPI`.
    package init(
        _ settings: XSettings, stop: Stop? = nil, patience: Duration = .zero,
        onWait: @escaping @Sendable (Duration) -> Void = { _ in }
    ) {
        api = XAPI(settings, stop: stop, patience: patience, onWait: onWait)
    }

    /// Every rule, page by page.
    ///
    /// - Throws: `XError` when a call fails or its answer cannot be read.
    package func list() throws(XError) -> [XRule] {
        var rules: [XRule] = []
        var next: String?
        repeat {
            let page = [("max_results", "1000")] + (next.map { [("pagination_token", $0)] } ?? [])
            let answer = try RulesAnswer(
                try api.get(Self.path, query: page.map { (name: $0.0, value: $0.1) }), call: "list")
            rules += answer.rules
            // An endpoint of X was seen to return the same token endlessly.
            next = answer.nextToken == next ? nil : answer.nextToken
        } while next != nil
        return rules
    }

    /// Adds rules, or only asks whether X would.
    ///
    /// - Throws: `XError` when the call fails, and also when X answers with success but does not take every rule.
    @discardableResult
    package func add(_ rules: [NewRule], isDryRun: Bool = false) throws(XError) -> [XRule] {
        let members = rules.map { rule in
            let tag = rule.tag.map { ",\"tag\":\(JSONText.string($0))" } ?? ""
            return "{\"value\":\(JSONText.string(rule.value))\(tag)}"
        }
        let body = "{\"add\":[\(members.joined(separator: ","))]}"
        let answer = try change(body, isDryRun, call: "addition")
        let taken = isDryRun ? answer.valid : answer.created
        try answer.requireSuccess(of: rules.count, done: taken, verb: isDryRun ? "would accept" : "accepted")
        return answer.rules
    }

    /// Deletes rules by id.
    ///
    /// - Throws: `XError` when the call fails, and also when X answers with success but does not delete every rule.
    package func delete(ids: [String]) throws(XError) {
        try delete("ids", ids)
    }

    /// Deletes rules by value.
    ///
    /// - Throws: `XError` when the call fails, and also when X answers with success but does not delete every rule.
    package func delete(values: [String]) throws(XError) {
        try delete("values", values)
    }

    private func delete(_ kind: String, _ names: [String]) throws(XError) {
        let list = names.map { JSONText.string($0) }.joined(separator: ",")
        let answer = try change("{\"delete\":{\"\(kind)\":[\(list)]}}", false, call: "deletion")
        try answer.requireSuccess(of: names.count, done: answer.deleted, verb: "deleted")
    }

    private func change(_ body: String, _ isDryRun: Bool, call: String) throws(XError) -> RulesAnswer {
        let query = isDryRun ? [(name: "dry_run", value: "true")] : []
        return try RulesAnswer(try api.post(Self.path, query: query, body: Array(body.utf8)), call: call)
    }
}
