import COpenSSL

/// Digests of a few bytes, as signatures and login flows need them.
package enum ShortDigest {
    /// SHA-256 (FIPS 180-4).
    ///
    /// - Parameter bytes: what is digested.
    /// - Returns: 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        let isDone = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
        precondition(isDone == 1, "OpenSSL offers no SHA-256")
        return digest
    }

    /// HMAC with SHA-256 (RFC 2104).
    ///
    /// - Parameters:
    ///   - bytes: what is digested.
    ///   - key: of any length.
    /// - Returns: 32 bytes.
    package static func hmacSHA256(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        let result = unsafe HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &digest, nil)
        unsafe precondition(result != nil, "OpenSSL offers no HMAC")
        return digest
    }

    /// HMAC with SHA-1 (RFC 2104), which OAuth 1.0a asks for (RFC 5849, section 3.4.2).
    ///
    /// - Parameters:
    ///   - bytes: what is digested.
    ///   - key: of any length.
    /// - Returns: 20 bytes.
    package static func hmacSHA1(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 20)
        let result = unsafe HMAC(EVP_sha1(), key, Int32(key.count), bytes, bytes.count, &digest, nil)
        unsafe precondition(result != nil, "OpenSSL offers no HMAC")
        return digest
    }
}

/// Bytes that nobody can guess (getrandom(2)).
///
/// - Parameter count: how many.
/// - Returns: the bytes.
package func randomBytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
}
