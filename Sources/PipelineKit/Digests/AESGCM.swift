import COpenSSL

/// AES-256 in Galois/Counter Mode (NIST SP 800-38D), by OpenSSL: encrypts, and detects every change of what it encrypted.
///
/// OpenSSL fails at anything but the tag only when memory is short or the library is broken, which no caller can fix.
package enum AESGCM {
    /// Bytes of a key.
    package static let keyBytes = 32
    /// Bytes of a nonce, which must never be used twice with one key.
    package static let nonceBytes = 12
    /// Bytes of the tag that proves the text and the data beside it.
    package static let tagBytes = 16

    /// Encrypts.
    ///
    /// - Parameters:
    ///   - text: what is encrypted.
    ///   - key: 32 bytes.
    ///   - nonce: 12 bytes.
    ///   - data: what is not encrypted, yet authenticated.
    /// - Returns: as many bytes as the text, and the tag behind them.
    package static func seal(_ text: [UInt8], key: [UInt8], nonce: [UInt8], authenticating data: [UInt8]) -> [UInt8] {
        let context = CipherContext(key: key, nonce: nonce, isSealing: true)
        context.authenticate(data)
        return context.update(text) + context.seal()
    }

    /// Decrypts what `seal` has returned.
    ///
    /// - Parameters:
    ///   - sealed: text and tag.
    ///   - key: 32 bytes.
    ///   - nonce: 12 bytes.
    ///   - data: what was authenticated.
    /// - Returns: the text; nil when the key, the nonce, the data, the text or the tag is not that of `seal`.
    package static func open(
        _ sealed: [UInt8], key: [UInt8], nonce: [UInt8], authenticating data: [UInt8]
    ) -> [UInt8]? {
        guard sealed.count >= tagBytes else { return nil }
        let context = CipherContext(key: key, nonce: nonce, isSealing: false)
        context.authenticate(data)
        let text = context.update(Array(sealed.dropLast(tagBytes)))
        return context.isAuthentic(tag: Array(sealed.suffix(tagBytes))) ? text : nil
    }
}

/// Owns one of OpenSSL's cipher contexts (EVP_EncryptInit(3)), set up for AES-256-GCM with OpenSSL's default nonce of 12 bytes.
@safe
private final class CipherContext {
    private let context: OpaquePointer

    init(key: [UInt8], nonce: [UInt8], isSealing: Bool) {
        precondition(key.count == AESGCM.keyBytes && nonce.count == AESGCM.nonceBytes, "a key or nonce of another size")
        unsafe context = EVP_CIPHER_CTX_new()
        let isReady = unsafe EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce, isSealing ? 1 : 0)
        precondition(isReady == 1, "OpenSSL offers no AES-256-GCM")
    }

    deinit {
        // Overwrites the key as well.
        unsafe EVP_CIPHER_CTX_free(context)
    }

    func authenticate(_ data: [UInt8]) {
        guard !data.isEmpty else { return }
        var count: Int32 = 0
        let isTaken = unsafe EVP_CipherUpdate(context, nil, &count, data, Int32(data.count))
        precondition(isTaken == 1, "OpenSSL accepted no bytes")
    }

    func update(_ text: [UInt8]) -> [UInt8] {
        guard !text.isEmpty else { return [] }
        var result = [UInt8](repeating: 0, count: text.count)
        var count: Int32 = 0
        let isDone = unsafe EVP_CipherUpdate(context, &result, &count, text, Int32(text.count))
        precondition(isDone == 1 && count == text.count, "OpenSSL accepted no bytes")
        return result
    }

    /// Ends encryption; returns the tag.
    func seal() -> [UInt8] {
        var rest = [UInt8](repeating: 0, count: AESGCM.tagBytes)
        var tag = [UInt8](repeating: 0, count: AESGCM.tagBytes)
        var count: Int32 = 0
        let isDone = unsafe EVP_CipherFinal_ex(context, &rest, &count)
        precondition(isDone == 1, "OpenSSL finished no text")
        let isTold = unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tag.count), &tag)
        precondition(isTold == 1, "OpenSSL has no tag")
        return tag
    }

    /// Ends decryption; returns whether all that was authenticated is what was sealed.
    func isAuthentic(tag: [UInt8]) -> Bool {
        var (tag, rest) = (tag, [UInt8](repeating: 0, count: AESGCM.tagBytes))
        var count: Int32 = 0
        let isSet = unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag)
        precondition(isSet == 1, "OpenSSL accepted no tag")
        return unsafe EVP_CipherFinal_ex(context, &rest, &count) == 1
    }
}
