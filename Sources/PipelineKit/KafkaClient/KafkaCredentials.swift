import CRdKafka
import Core
import FoundationEssentials
import Glibc

/// The files that a client was made from, and whether any of them has changed since.
///
/// librdkafka reads certificates and passwords once, when a client is made; new ones need a new client.
struct CredentialFiles: Sendable {
    private var states: [String: State?] = [:]

    private struct State: Equatable {
        var modified: Int
        var nanoseconds: Int
        var size: Int
        var inode: UInt
    }

    /// The properties that name files with credentials (librdkafka's CONFIGURATION.md).
    static let properties = [
        "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location",
    ]

    init(_ paths: [String]) {
        add(paths)
    }

    /// Takes note of how files are now; to be called before they are read.
    mutating func add(_ paths: [String]) {
        for path in paths { states.updateValue(Self.state(of: path), forKey: path) }
    }

    /// Whether one of them was changed, replaced, made or removed.
    var haveChanged: Bool { states.contains { Self.state(of: $0.key) != $0.value } }

    private static func state(of path: String) -> State? {
        var info = stat()
        guard unsafe stat(path, &info) == 0 else { return nil }
        return State(
            modified: Int(info.st_mtim.tv_sec), nanoseconds: Int(info.st_mtim.tv_nsec), size: Int(info.st_size),
            inode: UInt(info.st_ino))
    }
}

/// A token for SASL/OAUTHBEARER (RFC 7628) that another program keeps fresh in a file.
struct KafkaToken {
    let value: String
    /// Whom it is for, by its claim `sub`; librdkafka only logs it.
    let principal: String
    let expires: Timestamp

    /// How long a token without an expiry time is used before the file is read again.
    private static let usualLife = Duration.seconds(3600)

    /// The claims of a JSON Web Token (RFC 7519, section 4.1) that matter here.
    private struct Claims: Decodable {
        let exp: Double?
        let sub: String?
    }

    /// Reads it. Only the broker checks its signature.
    ///
    /// - Throws: `KafkaClientError` that names the file and never holds the token, when there is no valid token in it.
    init(file: String) throws(KafkaClientError) {
        let text: String
        do { text = try readTextFile(file) } catch { throw Self.invalid("\(error)") }
        value = String(text.trimmed)
        Redaction.remember(value)
        // RFC 6750, section 2.1.
        let isToken = value.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "-._~+/=".utf8.contains(byte)
        }
        guard isToken, !value.isEmpty else {
            let hint = value.hasPrefix("Bearer ") ? "; leave out 'Bearer '" : ""
            throw Self.invalid("\(file) has no token\(hint)")
        }
        let claims = Self.claims(of: value)
        principal = claims?.sub ?? "tweet-pipeline"
        expires =
            claims?.exp.map { Timestamp(milliseconds: Int64($0.clamped * 1000)) } ?? .now().advanced(by: Self.usualLife)
        guard expires > .now() else {
            throw Self.invalid("the token in \(file) ended at \(expires)")
        }
    }

    private static func invalid(_ reason: String) -> KafkaClientError {
        KafkaClientError(.operator(.credentials), "KAFKA_TOKEN_FILE: \(reason)")
    }

    private static func claims(of token: String) -> Claims? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var text = String(parts[1]).replacing("-", with: "+").replacing("_", with: "/")
        text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return Data(base64Encoded: text).flatMap { try? JSONDecoder().decode(Claims.self, from: $0) }
    }
}

extension Double {
    /// A number of seconds that still fits when it is counted in milliseconds.
    fileprivate var clamped: Double { isFinite ? min(max(self, 0), 1e12) : 0 }
}

/// librdkafka wants a token (rdkafka.h, oauthbearer_token_refresh_cb): runs on its background thread. After a failure it
/// asks again ten seconds later.
func kafkaTokenWanted(client: OpaquePointer?, configuration: UnsafePointer<CChar>?, opaque: UnsafeMutableRawPointer?) {
    guard let client = unsafe client, let opaque = unsafe opaque else { return }
    let context = unsafe Unmanaged<KafkaContext>.fromOpaque(opaque).takeUnretainedValue()
    do throws(KafkaClientError) {
        let token = try KafkaToken(file: context.tokenFile)
        var reason = [CChar](repeating: 0, count: 512)
        let code = unsafe rd_kafka_oauthbearer_set_token(
            client, token.value, token.expires.milliseconds, token.principal, nil, 0, &reason, reason.count)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaClientError(.operator(.credentials), KafkaHandle.text(reason))
        }
    } catch {
        unsafe rd_kafka_oauthbearer_set_token_failure(client, error.description)
    }
}
