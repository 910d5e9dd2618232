import Core
import Digests
import FoundationEssentials

/// The keys of an app and a user for OAuth 1.0a.
package struct OAuth1Keys: Sendable {
    package let consumerKey: String
    package let consumerSecret: Secret
    package let token: Secret
    package let tokenSecret: Secret

    package init(consumerKey: String, consumerSecret: Secret, token: Secret, tokenSecret: Secret) {
        (self.consumerKey, self.consumerSecret) = (consumerKey, consumerSecret)
        (self.token, self.tokenSecret) = (token, tokenSecret)
    }
}

/// The header `Authorization` of OAuth 1.0a (RFC 5849, section 3.4; X: "Creating a signature").
package enum OAuth1Signature {
    /// Signs a request without a body.
    ///
    /// - Parameters:
    ///   - method: such as `GET`.
    ///   - url: without its query.
    ///   - query: names and values, not yet escaped.
    ///   - keys: of the app and the user.
    ///   - now: the time.
    /// - Returns: the header's value.
    package static func header(
        _ method: String, _ url: String, query: [(name: String, value: String)], keys: OAuth1Keys,
        now: Timestamp = .now()
    ) -> Secret {
        header(
            method, url, query: query, keys: keys, nonce: base64URL(randomBytes(24)), seconds: now.milliseconds / 1000)
    }

    static func header(
        _ method: String, _ url: String, query: [(name: String, value: String)], keys: OAuth1Keys, nonce: String,
        seconds: Int64
    ) -> Secret {
        var parameters = [
            ("oauth_consumer_key", keys.consumerKey), ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA1"), ("oauth_timestamp", "\(seconds)"),
            ("oauth_token", keys.token.value), ("oauth_version", "1.0"),
        ]
        let all = parameters + query.map { ($0.name, $0.value) }
        let sorted = all.map { "\(percentEncoded($0.0))=\(percentEncoded($0.1))" }.sorted {
            Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8))
        }
        let base = [method, url, sorted.joined(separator: "&")].map { percentEncoded($0) }.joined(separator: "&")
        let key = percentEncoded(keys.consumerSecret.value) + "&" + percentEncoded(keys.tokenSecret.value)
        let digest = ShortDigest.hmacSHA1(Array(base.utf8), key: Array(key.utf8))
        parameters.append(("oauth_signature", Data(digest).base64EncodedString()))
        let text = parameters.map { "\($0.0)=\"\(percentEncoded($0.1))\"" }.joined(separator: ", ")
        return Secret("OAuth \(text)")
    }
}
