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
        let base = baseString(method, url, parameters + query.map { ($0.name, $0.value) })
        parameters.append(("oauth_signature", signature(of: base, keys)))
        let text = parameters.map { "\($0.0)=\"\(percentEncoded($0.1))\"" }.joined(separator: ", ")
        return Secret("OAuth \(text)")
    }

    /// What is signed (RFC 5849, section 3.4.1): parameters are in the order of their encoded names, then of their encoded values.
    ///
    /// - Parameters:
    ///   - method: such as `GET`.
    ///   - url: in the form of section 3.4.1.2, without its query.
    ///   - parameters: all of them, not yet escaped; a name may come several times.
    /// - Returns: the text.
    static func baseString(_ method: String, _ url: String, _ parameters: [(String, String)]) -> String {
        let encoded = parameters.map { (name: percentEncoded($0.0), value: percentEncoded($0.1)) }
        let sorted = encoded.sorted { left, right in
            let (one, other) = left.name == right.name ? (left.value, right.value) : (left.name, right.name)
            return one.utf8.lexicographicallyPrecedes(other.utf8)
        }
        let text = sorted.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        return [method.uppercased(), url, text].map { percentEncoded($0) }.joined(separator: "&")
    }

    /// HMAC-SHA1 in base64 (section 3.4.2).
    static func signature(of base: String, _ keys: OAuth1Keys) -> String {
        let key = percentEncoded(keys.consumerSecret.value) + "&" + percentEncoded(keys.tokenSecret.value)
        return Data(ShortDigest.hmacSHA1(Array(base.utf8), key: Array(key.utf8))).base64EncodedString()
    }
}
