import Core
import FoundationEssentials

/// What X's token endpoint grants.
package struct TokenGrant: Sendable {
    /// For calls, some 2 hours.
    package let access: Secret
    /// For the next pair, once; nil without the scope `offline.access`, or when the old one stays valid.
    package let refresh: Secret?
    /// How long the access token is valid.
    package let lifetime: Duration
    /// What the user has granted; nil when X does not say.
    package let scopes: [String]?

    package init(access: Secret, refresh: Secret?, lifetime: Duration, scopes: [String]? = nil) {
        (self.access, self.refresh, self.lifetime, self.scopes) = (access, refresh, lifetime, scopes)
    }
}

/// What an answer of X's token endpoint means (RFC 6749, section 5.2, and X's departures from it): decided here and nowhere else.
package enum TokenAnswer: Sendable {
    case granted(TokenGrant)
    /// The code or refresh token is spent, revoked or unknown. The user has to log in again, unless a newer token is stored.
    case dead(String)
    /// X rejects the app or its settings; no user is at fault.
    case app(String)
    /// X did not decide; a grant may have been made and its answer lost. The same token may be sent again.
    case later(String, after: Duration?)

    /// - Parameters:
    ///   - status: of the answer.
    ///   - body: of the answer.
    ///   - retryAfter: what the answer asks for.
    init(status: Int, body: [UInt8], retryAfter: Duration?) {
        let answer = try? JSONDecoder().decode(JSONValue.self, from: Data(body))
        if status == 200 {
            self = Self.grant(answer).map(TokenAnswer.granted) ?? .later("an answer without a token", after: nil)
            return
        }
        let error = answer?["error"]?.text?.plain ?? ""
        let detail = answer?["error_description"]?.text?.plain ?? answer?["detail"]?.text?.plain ?? ""
        let text = "HTTP \(status)" + [error, detail].filter { !$0.isEmpty }.map { " \($0)" }.joined()
        switch status {
        case 400 where error == "invalid_grant": self = .dead(text)
        // X's words for a token or code that is spent, revoked or unknown: "Value passed for the token was invalid."
        case 400 where error == "invalid_request" && detail.lowercased().hasSuffix("was invalid."): self = .dead(text)
        case 400, 401, 403, 404, 405: self = .app(text)
        default: self = .later(text, after: retryAfter)
        }
    }

    private static func grant(_ answer: JSONValue?) -> TokenGrant? {
        guard let access = answer?["access_token"]?.text, !access.isEmpty else { return nil }
        // Without a lifetime, X's documented 2 hours.
        let seconds = answer?["expires_in"]?.number.map { min(max($0, 0), 1e9) } ?? 7200
        let scopes = answer?["scope"]?.text?.split(separator: " ").map(String.init)
        return TokenGrant(
            access: Secret(access), refresh: answer?["refresh_token"]?.text.map { Secret($0) },
            lifetime: .seconds(Int64(seconds)), scopes: scopes)
    }
}
