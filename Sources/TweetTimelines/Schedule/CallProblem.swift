import Core
import TweetFormat

/// What to do about a call that X did not answer with a page: decided here and nowhere else. A pure value.
enum CallProblem: Equatable, Sendable {
    /// The access token is not accepted: refresh it.
    case tokenRejected
    /// This timeline may not be called before that time is over.
    case limited(Duration)
    /// No call of any account succeeds before that time is over.
    case all(PauseCause, Duration)
    /// X has suspended or deleted the account.
    case suspended
    /// X denies the call without a reason that names user or app.
    case denied
    /// Retry this account later.
    case failing
    /// X answers with an error of its own, or not X does.
    case broken

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
        case .notFound: self = problem.type == "resource-not-found" ? .suspended : .broken
        case .badRequest, .noRules, .tooManyConnections: self = .failing
        case .serverError, .redirect, .notAStream, .other: self = .broken
        }
    }

    /// With calls left, it is a different limit than that of the headers: short waits that double.
    ///
    /// - Parameters:
    ///   - limit: the headers.
    ///   - failures: failed calls in a row before this one.
    /// - Returns: how long this timeline is not to be called.
    static func wait(_ limit: RateLimit, _ failures: Int) -> Duration {
        if let remaining = limit.remaining, remaining > 0 {
            let asked = min(limit.retryAfter ?? .zero, RateLimit.longestRetryAfter)
            return max(asked, min(.seconds(10) * (1 << min(failures, 7)), longestWindow))
        }
        return min(max(limit.wait ?? .seconds(60), .zero) + .seconds(1), longestWindow)
    }

    /// A 403 that names the client, its level of access or its kind of authentication is the app's, and no user's.
    private static func forbidden(_ problem: Problem) -> CallProblem {
        let text = "\(problem.title ?? "") \(problem.detail ?? "")".lowercased()
        let types = ["client-forbidden", "client-not-enrolled", "unsupported-authentication"]
        if types.contains(problem.type ?? "") || text.contains("client forbidden")
            || types.contains(where: text.contains)
        {
            return .all(.app, .seconds(900))
        }
        return text.contains("suspended") || text.contains("deactivated") ? .suspended : .denied
    }

    /// How it counts when several accounts fail alike; nil for what is not an account's.
    var ofAccount: AppWatch.Failure? {
        switch self {
        case .limited: .limited
        case .suspended: .notFound
        case .denied: .forbidden
        case .broken: .serverError
        case .tokenRejected, .all, .failing: nil
        }
    }

    /// What it means when several accounts fail alike.
    var ofApp: (cause: PauseCause, time: Duration) {
        if case .limited(let time) = self { return (.rateLimit, time) }
        return (.app, .seconds(900))
    }
}
