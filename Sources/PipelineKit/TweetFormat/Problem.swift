import Core
import FoundationEssentials

/// What an answer of X other than the stream means, decided once, where it is read.
package enum ProblemKind: String, Sendable, CaseIterable {
    /// 400: X does not accept the request; asking again changes nothing.
    case badRequest = "bad_request"
    /// 401: the token is wrong, expired or revoked.
    case unauthorized
    /// 402, or a spend limit of the console: no credits.
    case noCredits = "no_credits"
    /// 403: the app may not use this endpoint.
    case forbidden
    /// 404: there is no such path; most often not X's API at all.
    case notFound = "not_found"
    /// 409: no rules are defined.
    case noRules = "no_rules"
    /// 429: another connection is still open on X's side.
    case tooManyConnections = "too_many_connections"
    /// 429: the plan's cap of posts is reached.
    case usageCap = "usage_cap"
    /// 429 or 420: too many requests.
    case rateLimit = "rate_limit"
    /// 5xx.
    case serverError = "server_error"
    /// 3xx: another address answers for this one.
    case redirect
    /// 200 with something that is not a stream of JSON.
    case notAStream = "not_a_stream"
    /// Anything else.
    case other = "http_error"
}

/// The state of a rate limit, as X's `x-rate-limit-*` headers give it.
package struct RateLimit: Sendable, Equatable {
    package var limit: Int?
    package var remaining: Int?
    /// From now (X's clock, when the answer says what it shows) to the end of the window.
    package var resetAfter: Duration?

    /// How long the server asks to wait (`Retry-After`), whatever the status is.
    package var retryAfter: Duration?

    /// A wait that a server asks for counts up to this: longer ones are a mistake, or better seen to by a person.
    package static let longestRetryAfter = Duration.seconds(3600)

    /// The longer of both waits; nil when the answer names none.
    package var wait: Duration? {
        let asked = retryAfter.map { min($0, Self.longestRetryAfter) }
        return resetAfter.map { max($0, asked ?? .zero) } ?? asked
    }

    package init() {}
}

/// An answer that says why X does not do what was asked: an RFC 7807 problem, X's own error list, HTML, or nothing.
///
/// X's forms are not one: the members are at the top or in `errors[0]`, the address of a problem type changes, and a
/// gateway in between sends pages. So everything is read leniently, and types count by their last path segment.
package struct Problem: Sendable, Equatable {
    package let kind: ProblemKind
    package let status: Int
    package let title: String?
    package let detail: String?
    /// The last path segment of the problem's type, such as `usage-capped`.
    package let type: String?
    package let connectionIssue: String?
    package let rateLimit: RateLimit

    /// - Parameters:
    ///   - status: the HTTP status.
    ///   - body: the beginning of the body; only JSON is looked into.
    ///   - rateLimit: from the headers.
    ///   - redirectTarget: where a 3xx leads.
    package init(
        status: Int, body: [UInt8], rateLimit: RateLimit = RateLimit(), redirectTarget: String? = nil
    ) {
        let message = ProblemObject(body)
        self.status = status
        self.rateLimit = rateLimit
        title = message?.title.map(Self.shortened)
        let redirect = redirectTarget.map { "leads to \(Self.shown(target: $0))" }
        detail = redirect ?? message?.text.map(Self.shortened)
        type = message?.type
        connectionIssue = message?.connectionIssue
        kind = Self.kind(status: status, message: message)
    }

    /// A 200 that does not carry what was asked for.
    ///
    /// - Parameters:
    ///   - contentType: what the header says that it carries; nil when it does not say.
    ///   - isPage: whether the body is HTML all the same.
    package init(notAStream contentType: String?, isPage: Bool = false) {
        kind = .notAStream
        status = 200
        title = "not a stream of JSON lines"
        let type = contentType.map { "the content type is \(Self.shortened($0))" } ?? "it has no content type"
        detail = isPage && contentType?.lowercased().contains("html") != true ? type + ", and the body is HTML" : type
        self.type = nil
        connectionIssue = nil
        rateLimit = RateLimit()
    }

    private static func kind(status: Int, message: ProblemObject?) -> ProblemKind {
        switch status {
        case 400: .badRequest
        case 401: .unauthorized
        case 402: .noCredits
        case 403: message?.mentions("SpendCapReached") == true ? .noCredits : .forbidden
        case 404: .notFound
        case 409: message?.connectionIssue == "ProvisioningSubscription" ? .other : .noRules
        case 420, 429: tooManyKind(message)
        case 500...599: .serverError
        case 301, 302, 303, 307, 308: .redirect
        default: .other
        }
    }

    /// The address that a redirect names, without user and password, query and fragment, which may hold secrets.
    private static func shown(target: String) -> String {
        var text = String(target.prefix { $0 != "?" && $0 != "#" })
        if let start = text.firstRange(of: "//"),
            let at = text[start.upperBound...].prefix(while: { $0 != "/" && $0 != "\\" }).lastIndex(of: "@")
        {
            text.removeSubrange(start.upperBound...at)
        }
        // An `@` behind the host is part of a path here, and user info is gone already.
        return cut(text.replacing(/[^\x21-\x7e]/, with: "?"))
    }

    /// 429 has several meanings, distinguished by the body: x-rate-limit headers look healthy on all of them.
    private static func tooManyKind(_ message: ProblemObject?) -> ProblemKind {
        guard let message else { return .rateLimit }
        if message.connectionIssue == "TooManyConnections" { return .tooManyConnections }
        if message.mentions("SpendCapReached") { return .noCredits }
        if message.type == "usage-capped" || message.title == "UsageCapExceeded" { return .usageCap }
        return .rateLimit
    }

    /// Keeps log lines readable, and free of secrets, whatever a server sends.
    private static func shortened(_ said: String) -> String { cut(Redaction.cleanBody(said)) }

    private static func cut(_ text: String) -> String {
        text.unicodeScalars.count <= 300 ? text : String(text.unicodeScalars.prefix(300)) + "…"
    }
}

extension Problem: CustomStringConvertible {
    /// `HTTP 429 UsageCapExceeded: Usage cap exceeded: Monthly product cap`.
    package var description: String {
        var text = "HTTP \(status)"
        if let title { text += " \(title)" }
        if let detail, detail != title { text += ": \(detail)" }
        return text
    }
}
