import TweetFormat

extension ProblemKind {
    /// What a person can do about it.
    package var remedy: String? {
        switch self {
        case .unauthorized:
            "The bearer token is wrong, expired or revoked: put the app's present one into X_BEARER_TOKEN or "
                + BearerToken.fileSetting.environment
        case .forbidden: "The app behind the token may not use this endpoint: look at its project and plan at X"
        case .noRules: "The stream has no rules: add one with `tweet-producer rules add`"
        case .noCredits: "The account has no credits left or its spend limit is reached: see X's developer console"
        case .usageCap: "The plan's cap of posts is reached: X sends nothing before it is reset"
        case .tooManyConnections: "Another connection of this app is open, or an old one has not ended at X yet"
        case .badRequest: "X does not accept the request: look at the X_*_FIELDS, X_EXPANSIONS and X_PLAN settings"
        case .notFound, .notAStream: "Is X_URL (--x-url) the address of X's API?"
        case .redirect: "Redirects are not followed: set X_URL (--x-url) to the address of X's API itself"
        case .rateLimit, .serverError, .other: nil
        }
    }
}
