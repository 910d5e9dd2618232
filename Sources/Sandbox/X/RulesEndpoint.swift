import Core
import FoundationEssentials
import Hummingbird

/// `/2/tweets/search/stream/rules` (documentation, "Filtered stream: rules").
struct RulesEndpoint: Sendable {
    let rules: RuleBook

    private struct Change: Decodable {
        struct Rule: Decodable {
            let value: String
            let tag: String?
        }
        struct Choice: Decodable {
            let ids: [String]?
            let values: [String]?
        }

        let add: [Rule]?
        let delete: Choice?
    }

    func addRoutes(to router: RouterGroup<XContext>) {
        router.get { request, _ in list(request) }
        router.post { request, _ in try await change(request) }
        router.get("counts") { _, _ in counts() }
    }

    private func list(_ request: Request) -> Response {
        let query = request.uri.queryParameters
        let wanted = query["ids"].map { Set($0.split(separator: ",").map(String.init)) }
        let size = query["max_results"].flatMap { Int($0) } ?? 1000
        guard (1...1000).contains(size) else {
            return Response(
                .invalidRequest("The `max_results` query parameter value [\(size)] is not between 1 and 1000"))
        }
        let start = query["pagination_token"].flatMap { Int($0, radix: 16) } ?? 0
        let all = rules.all.filter { wanted?.contains($0.id) ?? true }
        let page = Array(all.dropFirst(start).prefix(size))
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data", objects: page) { write($1, &$0) }
            answer.field("meta") { meta in
                meta.field("sent", Timestamp.now().description)
                meta.field("result_count", literal: page.count)
                if start + page.count < all.count { meta.field("next_token", token(start + page.count)) }
            }
        }
        return Response(status: 200, json: writer.bytes)
    }

    /// Sixteen characters, as X's.
    private func token(_ start: Int) -> String {
        let digits = String(start, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    private func change(_ request: Request) async throws -> Response {
        var request = request
        let query = request.uri.queryParameters
        let isDryRun = query["dry_run"] == "true"
        let body = try await request.collectBody(upTo: 4 << 20)
        if query["delete_all"] == "true" { return deleted(rules.delete(isDryRun: isDryRun) { _ in true }, missing: 0) }
        guard let change = try? JSONDecoder().decode(Change.self, from: Data(body.readableBytesView)) else {
            return Response(
                .invalidRequest("The request body is not JSON of the form {\"add\": […]} or {\"delete\": {…}}"))
        }
        switch (change.add, change.delete) {
        case (let added?, nil):
            return add(added.map { ($0.value, $0.tag) }, isDryRun: isDryRun)
        case (nil, let choice?) where choice.ids != nil || choice.values != nil:
            let wanted = Set((choice.ids ?? []) + (choice.values ?? []))
            let count = rules.delete(isDryRun: isDryRun) { wanted.contains(choice.ids != nil ? $0.id : $0.value) }
            return deleted(count, missing: wanted.count - count)
        default:
            return Response(.invalidRequest("Exactly one of `add` and `delete` must be in the request body"))
        }
    }

    private func add(_ wanted: [(value: String, tag: String?)], isDryRun: Bool) -> Response {
        guard let outcomes = rules.add(wanted, isDryRun: isDryRun) else { return capExceeded(wanted.count) }
        let invalid = outcomes.contains { if case .invalid = $0 { true } else { false } }
        let valid = outcomes.compactMap { if case .valid(let rule) = $0 { rule } else { nil } }
        let created = invalid ? [] : valid
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data", objects: created) { write($1, &$0) }
            answer.field("meta") { meta in
                meta.field("sent", Timestamp.now().description)
                meta.field("summary") { summary in
                    summary.field("created", literal: created.count)
                    summary.field("not_created", literal: wanted.count - created.count)
                    summary.field("valid", literal: valid.count)
                    summary.field("invalid", literal: wanted.count - valid.count)
                }
            }
            let failures = outcomes.filter { if case .valid = $0 { false } else { true } }
            answer.field("errors", objects: failures) { write($1, &$0) }
        }
        return Response(status: created.isEmpty ? 200 : 201, json: writer.bytes)
    }

    private func capExceeded(_ count: Int) -> Response {
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("title", "RulesCapExceeded")
            answer.field("detail", "Rule cap of \(rules.cap) exceeded by a request for \(count) more.")
            answer.field("type", "https://api.twitter.com/2/problems/rule-cap")
        }
        return Response(status: 422, json: writer.bytes)
    }

    private func deleted(_ count: Int, missing: Int) -> Response {
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("meta") { meta in
                meta.field("sent", Timestamp.now().description)
                meta.field("summary") { summary in
                    summary.field("deleted", literal: count)
                    summary.field("not_deleted", literal: missing)
                }
            }
            answer.field("errors", objects: Array(repeating: (), count: missing)) { error, _ in
                error.field("errors", objects: ["Rule does not exist"]) { object, message in
                    object.field("parameters") { _ in }
                    object.field("message", message)
                }
                error.field("title", "Invalid Request")
                error.field("detail", "One or more parameters to your request was invalid.")
                error.field("type", "https://api.twitter.com/2/problems/invalid-request")
            }
        }
        return Response(status: 200, json: writer.bytes)
    }

    private func counts() -> Response {
        let count = rules.all.count
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data") { data in
                // Numbers as text, as of 2.167.
                data.field("cap_per_client_app", String(rules.cap))
                data.field("cap_per_project", String(rules.cap))
                data.field("project_rules_count", String(count))
                data.field("client_app_rules_count") { app in
                    app.field("client_app_id", "1")
                    app.field("rule_count", literal: count)
                }
            }
        }
        return Response(status: 200, json: writer.bytes)
    }

    private func write(_ rule: StreamRule, _ writer: inout JSONWriter) {
        writer.field("id", rule.id)
        writer.field("value", rule.value)
        if let tag = rule.tag { writer.field("tag", tag) }
    }

    private func write(_ outcome: RuleBook.Outcome, _ writer: inout JSONWriter) {
        switch outcome {
        case .valid: break
        case .duplicate(let rule):
            writer.field("value", rule.value)
            writer.field("id", rule.id)
            writer.field("title", "DuplicateRule")
            writer.field("type", "https://api.twitter.com/2/problems/duplicate-rules")
        case .invalid(let value, let why):
            writer.field("value", value)
            writer.field("details", [why])
            writer.field("title", "UnprocessableEntity")
            writer.field("type", "https://api.twitter.com/2/problems/invalid-rules")
        }
    }
}
