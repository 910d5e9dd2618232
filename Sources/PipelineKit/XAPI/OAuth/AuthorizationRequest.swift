import Core
import Digests
import FoundationEssentials

/// One login of a user by OAuth 2.0 with PKCE (RFC 7636): the page to open, and what its redirect must bring back.
package struct AuthorizationRequest: Sendable {
    /// Answers the challenge when the code is exchanged.
    package let verifier: Secret
    /// Comes back with the redirect, so that nobody slips in a code of somebody else.
    package let state: String
    /// Where X sends the browser; exactly as it is registered for the app.
    package let redirect: String

    /// What reading timelines needs, and no more.
    package static let scopes = ["tweet.read", "users.read", "offline.access"]

    /// - Parameter redirect: a callback URL that is registered for the app.
    package init(redirect: String) {
        self.init(redirect: redirect, verifier: base64URL(randomBytes(32)), state: base64URL(randomBytes(16)))
    }

    init(redirect: String, verifier: String, state: String) {
        (self.redirect, self.state) = (redirect, state)
        self.verifier = Secret(verifier)
    }

    /// `BASE64URL(SHA256(verifier))` (RFC 7636, section 4.2).
    var challenge: String { base64URL(ShortDigest.sha256(Array(verifier.value.utf8))) }

    /// The page on which the user agrees.
    ///
    /// - Parameters:
    ///   - base: such as `https://x.com`.
    ///   - clientID: of the app.
    /// - Returns: the URL.
    package func url(base: String, clientID: String) -> String {
        let parameters = [
            ("response_type", "code"), ("client_id", clientID), ("redirect_uri", redirect),
            ("scope", Self.scopes.joined(separator: " ")), ("state", state), ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ]
        return "\(base)/i/oauth2/authorize?" + formEncoded(parameters)
    }

    /// The code in what the user pasted: the URL that the browser was sent to, its query, or the code alone.
    ///
    /// - Parameter pasted: the text.
    /// - Returns: the code.
    /// - Throws: `XError` (`reject`) when the user denied access, for the state of a different login, and without a code.
    package func code(in pasted: String) throws(XError) -> Secret {
        let text = pasted.trimmed
        guard text.contains("=") || text.contains("?") else {
            guard !text.isEmpty else {
                throw XError(.reject, "no code: paste the address that the browser was sent to")
            }
            return Secret(text)
        }
        let query = text.split(separator: "?", maxSplits: 1).last ?? ""
        var members: [String: String] = [:]
        for pair in query.prefix(while: { $0 != "#" }).split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = (parts.count > 1 ? String(parts[1]) : "").replacing("+", with: " ")
            members[String(parts[0])] = value.removingPercentEncoding ?? value
        }
        if let error = members["error"] {
            throw XError(.reject, "X did not grant access: \(error.plain)")
        }
        guard members["state"] == nil || members["state"] == state else {
            throw XError(
                .reject, "the address belongs to a different login: open the URL above, and paste its redirect")
        }
        guard let code = members["code"], !code.isEmpty else {
            throw XError(.reject, "no code in the address: paste the whole address that the browser was sent to")
        }
        return Secret(code)
    }
}

/// Base64 with the alphabet of URLs and without padding (RFC 4648, section 5).
func base64URL(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

/// Names and values as a form or a query has them; a space is `%20`.
func formEncoded(_ parameters: [(String, String)]) -> String {
    parameters.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
}
