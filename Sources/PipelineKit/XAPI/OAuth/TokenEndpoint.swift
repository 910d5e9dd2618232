import Core
import FoundationEssentials
import HTTP

/// The app for which users' tokens are made.
package struct OAuthClient: Sendable {
    package let id: String
    /// Nil for a public client (native app, single page app).
    package let secret: Secret?

    package init(id: String, secret: Secret?) { (self.id, self.secret) = (id, secret) }
}

/// X's token endpoint for users (X: "OAuth 2.0 Authorization Code Flow with PKCE"), on the calling thread.
///
/// A confidential client sends id and secret in a header (Basic), a public one its id in the body; X rejects a mixture.
package struct TokenEndpoint: Sendable {
    private let url: String
    private let client: OAuthClient
    private let caFile: String?

    /// Less than a server lets the transaction of a refresh be idle.
    private static let timeout = Duration.seconds(15)

    /// - Parameters:
    ///   - url: X's base URL, such as `https://api.x.com`.
    ///   - client: the app.
    ///   - caFile: certificates to trust instead of the system's.
    package init(url: String, client: OAuthClient, caFile: String?) {
        (self.url, self.client, self.caFile) = (url, client, caFile)
    }

    /// Exchanges the code of a login; it is valid for 30 s.
    ///
    /// - Parameters:
    ///   - code: from the redirect.
    ///   - request: the login.
    /// - Returns: X's answer.
    package func exchange(_ code: Secret, of request: AuthorizationRequest) -> TokenAnswer {
        post(
            "token",
            [
                ("grant_type", "authorization_code"), ("code", code.value), ("redirect_uri", request.redirect),
                ("code_verifier", request.verifier.value),
            ])
    }

    /// Exchanges a refresh token for a new pair; X accepts it once.
    ///
    /// - Parameter token: the refresh token.
    /// - Returns: X's answer.
    package func refresh(_ token: Secret) -> TokenAnswer {
        post("token", [("grant_type", "refresh_token"), ("refresh_token", token.value)])
    }

    /// Revokes a token; one that X does not know is revoked already.
    ///
    /// - Parameter token: an access or refresh token.
    /// - Returns: why it is not known to be revoked; nil when it is.
    package func revoke(_ token: Secret) -> String? {
        let sent = send("revoke", [("token", token.value)])
        if let failure = sent.failure { return failure }
        if (200...299).contains(sent.answer.status) { return nil }
        switch TokenAnswer(status: sent.answer.status, body: sent.answer.body, retryAfter: nil) {
        case .granted, .dead: return nil
        case .app(let text), .later(let text, _): return text
        }
    }

    private func post(_ path: String, _ form: [(String, String)]) -> TokenAnswer {
        let sent = send(path, form)
        if let failure = sent.failure { return .later(failure, after: nil) }
        return TokenAnswer(status: sent.answer.status, body: sent.answer.body, retryAfter: sent.answer.retryAfter)
    }

    private func send(_ path: String, _ form: [(String, String)]) -> (answer: HTTPAnswer, failure: String?) {
        let answer = HTTPAnswer(bodyLimit: 1 << 16)
        let identity = client.secret == nil ? [("client_id", client.id)] : []
        var request = HTTPRequest(
            url: "\(url)/2/oauth2/\(path)", token: Secret(""), body: Array(formEncoded(form + identity).utf8),
            caFile: caFile, connectTimeout: .seconds(10), totalTimeout: Self.timeout)
        request.authorization = basic
        request.contentType = "application/x-www-form-urlencoded"
        do {
            var transfer = try CurlTransfer(answer: answer)
            try transfer.prepare(request)
            try transfer.perform()
        } catch {
            return (answer, "POST \(url)/2/oauth2/\(path): \(error)")
        }
        return (answer, nil)
    }

    /// RFC 6749, section 2.3.1; nothing for a public client.
    private var basic: Secret {
        guard let secret = client.secret else { return Secret("") }
        let pair = "\(percentEncoded(client.id)):\(percentEncoded(secret.value))"
        return Secret("Basic \(Data(pair.utf8).base64EncodedString())")
    }
}
