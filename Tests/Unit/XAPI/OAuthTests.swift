import Core
import TestSupport
import Testing

@testable import XAPI

/// Login, signatures, and what answers of the token endpoint mean.
@Suite(.timeLimit(.minutes(5))) struct OAuthTests {
    /// RFC 7636, appendix B.
    @Test func theChallengeOfTheRFC() {
        let request = AuthorizationRequest(
            redirect: "http://127.0.0.1:8080/callback", verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            state: "s")
        #expect(request.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        #expect(
            request.url(base: "https://x.com", clientID: "me")
                == "https://x.com/i/oauth2/authorize?response_type=code&client_id=me"
                + "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fcallback&scope=tweet.read%20users.read%20offline.access"
                + "&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256")
    }

    @Test func everyLoginHasItsOwnSecrets() {
        let (one, two) = (AuthorizationRequest(redirect: "r"), AuthorizationRequest(redirect: "r"))
        #expect(one.verifier.value.utf8.count == 43 && one.verifier.value != two.verifier.value)
        #expect(one.state != two.state)
    }

    @Test func whatIsPastedBecomesACode() throws {
        let request = AuthorizationRequest(redirect: "r", verifier: "v", state: "mine")
        for text in [
            "http://127.0.0.1:8080/callback?state=mine&code=a%2Bb", " ?code=a%2Bb&state=mine\n", "code=a%2Bb",
            "https://h/cb?code=a%2Bb&state=mine#x", "a+b",
        ] { #expect(try request.code(in: text).value == "a+b", "\(text)") }
        for text in [
            "", "http://h/cb?state=other&code=x", "http://h/cb?error=access_denied&state=mine", "http://h/cb?a=b",
        ] {
            #expect(throws: XError.self, "\(text)") { try request.code(in: text) }
        }
    }

    private func answer(_ status: Int, _ body: String) -> String {
        switch TokenAnswer(status: status, body: Array(body.utf8), retryAfter: .seconds(7)) {
        case .granted(let grant):
            "granted \(grant.access.value) \(grant.refresh?.value ?? "-") \(grant.lifetime.milliseconds / 1000)"
                + " \(grant.scopes?.joined(separator: ",") ?? "-")"
        case .dead: "dead"
        case .app: "app"
        case .later(_, let after): "later \(after.map { "\($0.milliseconds / 1000)" } ?? "-")"
        }
    }

    @Test func answersAreGrantsDeathsFaultsOfTheAppOrNoDecision() {
        #expect(
            answer(
                200,
                #"{"token_type":"bearer","expires_in":7200,"access_token":"a","scope":"tweet.read users.read","refresh_token":"r"}"#
            ) == "granted a r 7200 tweet.read,users.read")
        #expect(answer(200, #"{"access_token":"a"}"#) == "granted a - 7200 -")
        #expect(answer(200, "<html>") == "later -")
        let spent = #"{"error":"invalid_request","error_description":"Value passed for the token was invalid."}"#
        #expect(answer(400, spent) == "dead")
        #expect(answer(400, #"{"error":"invalid_grant"}"#) == "dead")
        let missing = #"{"error":"invalid_request","error_description":"Missing required parameter [client_id]."}"#
        for (status, body) in [
            (400, missing), (400, #"{"error":"unsupported_grant_type"}"#), (401, #"{"error":"invalid_client"}"#),
            (401, #"{"error":"unauthorized_client","error_description":"Missing valid authorization header"}"#),
            (403, ""), (400, ""),
        ] { #expect(answer(status, body) == "app", "\(status) \(body)") }
        for status in [429, 500, 502, 503, 504] { #expect(answer(status, "") == "later 7") }
    }

    /// X: "Creating a signature".
    @Test func theSignatureOfXsPage() {
        let keys = OAuth1Keys(
            consumerKey: "xvz1evFS4wEEPTGEFPHBog",
            consumerSecret: Secret("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"),
            token: Secret("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"),
            tokenSecret: Secret("LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"))
        let header = OAuth1Signature.header(
            "POST", "https://api.twitter.com/1.1/statuses/update.json",
            query: [("include_entities", "true"), ("status", "Hello Ladies + Gentlemen, a signed OAuth request!")],
            keys: keys, nonce: "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", seconds: 1_318_622_958)
        #expect(header.value.contains("oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\""), "\(header.value)")
        #expect(header.value.hasPrefix("OAuth oauth_consumer_key=\"xvz1evFS4wEEPTGEFPHBog\", "))
    }

    /// RFC 5849, sections 3.4.1.3.1 and 3.4.1.1: a name twice, a name without a value, and characters that are escaped twice.
    @Test func theBaseStringOfTheRFC() {
        let base = OAuth1Signature.baseString(
            "post", "http://example.com/request",
            [
                ("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("oauth_consumer_key", "9djdj82h48djs9d2"),
                ("oauth_token", "kkk9d7dh3k39sjv7"), ("oauth_signature_method", "HMAC-SHA1"),
                ("oauth_timestamp", "137131201"), ("oauth_nonce", "7d8f3e4a"), ("c2", ""), ("a3", "2 q"),
            ])
        #expect(
            base == "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D"
                + "%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a"
                + "%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        )
    }

    /// RFC 5849, section 1.2.
    @Test func theSignatureOfTheRFC() {
        let base = OAuth1Signature.baseString(
            "GET", "http://photos.example.net/photos",
            [
                ("file", "vacation.jpg"), ("size", "original"), ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
                ("oauth_token", "nnch734d00sl2jdk"), ("oauth_signature_method", "HMAC-SHA1"),
                ("oauth_timestamp", "137131202"), ("oauth_nonce", "chapoH"),
            ])
        let keys = OAuth1Keys(
            consumerKey: "dpf43f3p2l4k3l03", consumerSecret: Secret("kd94hf93k423kf44"),
            token: Secret("nnch734d00sl2jdk"), tokenSecret: Secret("pfkkdhi9sl3r4s00"))
        #expect(OAuth1Signature.signature(of: base, keys) == "MdpQcU8iPSUjWoN/UDMsK2sui9I=")
    }

    /// A name goes before the longer one that begins with it, though `-`, `.` and digits come before `=`.
    @Test func namesAreOrderedBeforeValues() {
        let base = OAuth1Signature.baseString("GET", "h", [("a-b", "1"), ("a0", "1"), ("a", "2"), ("a", "10")])
        #expect(base == "GET&h&a%3D10%26a%3D2%26a-b%3D1%26a0%3D1")
    }
}
