import Core
import Digests
import Glibc

/// A key that tokens are encrypted with.
struct TokenKey: Sendable, CustomReflectable {
    let bytes: [UInt8]

    /// Identifies the key in the database, without a way back to it.
    var check: [UInt8] { ShortDigest.hmacSHA256(Array("check".utf8), key: bytes) }

    /// Hides the key from everything that prints values.
    var customMirror: Mirror { Mirror(self, children: []) }

    /// - Parameter bytes: 32.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == AESGCM.keyBytes else { return nil }
        self.bytes = bytes
    }

    /// Reads a key file, which only its owner may read.
    ///
    /// - Parameter path: of the file.
    /// - Throws: `SettingsError` with the remedy.
    init(file path: String) throws(SettingsError) {
        let content: [UInt8]
        do { content = try readWholeFile(path) } catch { throw SettingsError("\(error)") }
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & Self.forbidden(status.st_uid) == 0 else {
            throw SettingsError("\(path): others may read the key; run `chmod 600 \(path)`")
        }
        guard let key = TokenKey(content) ?? TokenKey(Self.decoded(content)) else {
            throw SettingsError(
                "\(path): the file has \(content.count) bytes; a key has 32 bytes or 64 hexadecimal digits:"
                    + " `(umask 077; openssl rand -hex 32 > \(path))` makes a new one")
        }
        self = key
    }

    /// The mode bits that a key file must not have. That of a different user, such as a credential of systemd or a secret of
    /// Kubernetes, may be readable for its group: without that, or an access control list that shows there, it could not be read.
    private static func forbidden(_ owner: uid_t) -> mode_t { owner == geteuid() ? 0o077 : 0o027 }

    private static func decoded(_ text: [UInt8]) -> [UInt8] {
        let digits = String(decoding: text, as: UTF8.self).trimmed.map(\.hexDigitValue)
        guard digits.count == 2 * AESGCM.keyBytes else { return [] }
        let values = digits.compactMap { $0 }
        guard values.count == digits.count else { return [] }
        return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] * 16 + values[$0 + 1]) }
    }
}
