import Core
import TweetFormat

/// What to do about a call that X did not answer with a page: decided here and nowhere else. A pure value.
enum CallProblem: Equatable, Sendable {
    /// The access token is not accepted: refresh it.
    case tokenRejected
    /// This timeline may not be called before that time is over.
    case limited(Duration)
    /// No call of any account succeeds before that time is over.
    case all(Cause, Duration)
    /// X has suspended or deleted the account.
    case suspended
    /// Retry this account later.
    case failing
    /// X, or the way to it, is broken: retry everything later.
    case unreachable

    /// Why nothing is read, as `timeline_pauses.cause` has it.
    enum Cause: String, Sendable {
        case usageCap = "usage_cap"
        case noCredits = "no_credits"
        case app, budget
    }

    /// X's windows have 15 minutes; a second more, because X counts in whole seconds.
    static let longestWindow = Duration.seconds(901)

    /// - Parameters:
    ///   - problem: X's answer.
    ///   - failures: failed calls of this timeline in a row before this one.
    init(_ problem: Problem, failures: Int) {
        switch problem.kind {
        case .unauthorized: self = .tokenRejected
        case .usageCap: self = .all(.usageCap, .seconds(3600))
        case .noCredits: self = .all(.noCredits, .seconds(900))
        case .rateLimit: self = .limited(Self.wait(problem.rateLimit, failures))
        case .forbidden: self = Self.forbidden(problem)
        // A path that X does not know has no type.
        case .notFound: self = problem.type == "resource-not-found" ? .suspended : .unreachable
        case .badRequest, .noRules, .tooManyConnections: self = .failing
        case .serverError, .redirect, .notAStream, .other: self = .unreachable
        }
    }

    /// With calls left, it is a different limit than that of the headers: short waits that double.
    private static func wait(_ limit: RateLimit, _ failures: Int) -> Duration {
        if let remaining = limit.remaining, remaining > 0 {
            return max(limit.retryAfter ?? .zero, min(.seconds(10) * (1 << min(failures, 7)), longestWindow))
        }
        return min(max(limit.wait ?? .seconds(60), .zero) + .seconds(1), longestWindow)
    }

    /// A 403 that names the client, its level of access or its kind of authentication is the app's, and no user's.
    private static func forbidden(_ problem: Problem) -> CallProblem {
        let text = "\(problem.title ?? "") \(problem.detail ?? "")".lowercased()
        if ["client-forbidden", "client-not-enrolled", "unsupported-authentication"].contains(problem.type ?? "") {
            return .all(.app, .seconds(900))
        }
        if text.contains("suspended") || text.contains("deactivated") { return .suspended }
        return text.contains("client") ? .all(.app, .seconds(900)) : .failing
    }
}
