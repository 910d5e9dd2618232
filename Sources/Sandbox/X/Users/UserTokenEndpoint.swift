import COpenSSLTLS
import Core
import FoundationEssentials
import Hummingbird

/// `/2/oauth2/token`, `/2/oauth2/revoke` and the page of a login (documentation, "OAuth 2.0 Authorization Code Flow with PKCE").
struct UserTokenEndpoint: Sendable {
    let users: UserAccounts
    let clock: SandboxClock

    /// The page on which a user agrees: this user does at once.
    func authorize(_ request: Request) -> Response {
        let query = request.uri.queryParameters
        func member(_ name: String) -> String { query[name[...]].map(String.init) ?? "" }
        let (redirect, state) = (member("redirect_uri"), member("state"))
        let now = clock.now
        let code = users.state.withLock { users -> String? in
            guard member("client_id") == users.tokens.clientID, member("code_challenge_method") == "S256",
                let account = users.browser
            else { return nil }
            let code = "code-\(UInt64.random(in: 0 ... .max))"
            users.tokens.codes[code] = TokenBook.Code(
                account: account, challenge: member("code_challenge"), redirect: redirect,
                expires: now.advanced(by: .seconds(30)))
            return code
        }
        var response = Response(status: .found)
        response.set("Location", "\(redirect)?state=\(state)&" + (code.map { "code=\($0)" } ?? "error=access_denied"))
        return response
    }

    func token(_ request: Request) async throws -> Response {
        let form = try await Self.form(request)
        let now = clock.now
        let (status, body, isLost) = users.state.withLock { state -> (Int, [UInt8], Bool) in
            guard Self.isClient(request, form, state.tokens) else { return (401, Self.unauthorized, false) }
            let answer = Self.answer(form, &state, now)
            state.record.tokenAnswers[answer.status, default: 0] += 1
            let isLost = answer.status == 200 && state.tokens.lostAnswers > 0
            if isLost { state.tokens.lostAnswers -= 1 }
            return (answer.status, answer.body, isLost)
        }
        return isLost ? Response(.serverError(502)) : Response(status: status, json: body)
    }

    func revoke(_ request: Request) async throws -> Response {
        let form = try await Self.form(request)
        return users.state.withLock { state in
            guard Self.isClient(request, form, state.tokens) else {
                return Response(status: 401, json: Self.unauthorized)
            }
            state.tokens.revoke(token: form["token"])
            return Response(status: 200, json: Array(#"{"revoked":true}"#.utf8))
        }
    }

    private static func answer(
        _ form: [String: String], _ state: inout UserAccounts.State, _ now: Timestamp
    ) -> (status: Int, body: [UInt8]) {
        switch form["grant_type"] {
        case "authorization_code":
            guard let code = state.tokens.codes.removeValue(forKey: form["code"] ?? ""), code.expires > now,
                code.redirect == form["redirect_uri"], code.challenge == challenge(form["code_verifier"] ?? "")
            else { return (400, error("invalid_request", "Value passed for the authorization code was invalid.")) }
            return (200, pair(state.tokens.grant(code.account, at: now), state.tokens.lifetime))
        case "refresh_token":
            let result = state.tokens.refresh(form["refresh_token"] ?? "", at: now)
            if result.killed { state.record.revokedFamilies += 1 }
            guard let grant = result.grant else {
                return (400, error("invalid_request", "Value passed for the token was invalid."))
            }
            return (200, pair(grant, state.tokens.lifetime))
        default: return (400, error("unsupported_grant_type", "Unsupported grant type."))
        }
    }

    private static func pair(_ grant: TokenBook.Grant, _ lifetime: Duration) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("token_type", "bearer")
            answer.field("expires_in", literal: lifetime.milliseconds / 1000)
            answer.field("access_token", grant.access)
            answer.field("scope", "tweet.read users.read offline.access")
            answer.field("refresh_token", grant.refresh)
        }
        return writer.bytes
    }

    private static func error(_ name: String, _ description: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("error", name)
            answer.field("error_description", description)
        }
        return writer.bytes
    }

    private static let unauthorized = error("unauthorized_client", "Missing valid authorization header")

    /// A confidential client sends a header, a public one its id in the body; a mixture is rejected.
    private static func isClient(_ request: Request, _ form: [String: String], _ tokens: TokenBook) -> Bool {
        guard let secret = tokens.clientSecret else {
            return request.headers[.authorization] == nil && form["client_id"] == tokens.clientID
        }
        let pair = Data("\(tokens.clientID):\(secret)".utf8).base64EncodedString()
        return request.headers[.authorization] == "Basic \(pair)"
    }

    private static func form(_ request: Request) async throws -> [String: String] {
        let body = try await request.body.collect(upTo: 1 << 16)
        var form: [String: String] = [:]
        for pair in String(buffer: body).split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = (parts.count > 1 ? String(parts[1]) : "").replacing("+", with: " ")
            form[String(parts[0])] = value.removingPercentEncoding ?? value
        }
        return form
    }

    /// The challenge of a verifier (RFC 7636, section 4.2), in code of its own.
    private static func challenge(_ verifier: String) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        let bytes = Array(verifier.utf8)
        unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
        return Data(digest).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }
}
