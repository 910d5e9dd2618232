import COpenSSL
import FoundationEssentials

/// The broker's side of one SASL/SCRAM-SHA-512 sign-in (RFC 5802; without channel binding), as managed Kafka asks for it.
struct ScramServer {
    /// What to answer to a message of the client.
    enum Answer {
        case goOn([UInt8])
        case accepted([UInt8])
        case refused
    }

    private static let digestBytes = 64
    private static let iterations = 4096
    private static let salt = Array("a salt of the tests".utf8)

    private let user: String
    private let password: String
    /// The client's first message without its header, and our answer, once they were exchanged.
    private var opening: (client: String, server: String)?

    /// Names and passwords must hold neither `=` nor `,`.
    init(user: String, password: String) {
        self.user = user
        self.password = password
    }

    /// Takes the client's next message.
    mutating func answer(_ message: [UInt8]) -> Answer {
        let text = String(decoding: message, as: UTF8.self)
        guard let opening else { return begin(text) }
        guard let proofStart = text.range(of: ",p=") else { return .refused }
        let fields = Self.fields(text)
        // librdkafka before 2.6.1 puts its own part in front once more, which brokers before Kafka 4 let pass.
        guard let nonce = Self.fields(opening.server)["r"], fields["r"]?.hasSuffix(nonce) == true,
            let proof = fields["p"].flatMap({ Data(base64Encoded: $0) }), proof.count == Self.digestBytes
        else { return .refused }
        let exchanged = "\(opening.client),\(opening.server),\(text[..<proofStart.lowerBound])"
        let salted = Self.derive(password)
        let stored = Self.hash(
            zip(proof, Self.sign(exchanged, Self.hash(Self.sign("Client Key", salted)))).map { $0 ^ $1 })
        guard stored == Self.hash(Self.sign("Client Key", salted)) else { return .refused }
        let signature = Self.sign(exchanged, Self.sign("Server Key", salted))
        return .accepted(Array("v=\(Data(signature).base64EncodedString())".utf8))
    }

    private mutating func begin(_ text: String) -> Answer {
        guard text.hasPrefix("n,,"), let nonce = Self.fields(text)["r"], Self.fields(text)["n"] == user else {
            return .refused
        }
        let salt = Data(Self.salt).base64EncodedString()
        let answer = "r=\(nonce)server,s=\(salt),i=\(Self.iterations)"
        opening = (String(text.dropFirst(3)), answer)
        return .goOn(Array(answer.utf8))
    }

    /// The attributes of a message, by their letters.
    private static func fields(_ text: String) -> [Substring: String] {
        let pairs = text.split(separator: ",").compactMap { field -> (Substring, String)? in
            guard let equals = field.firstIndex(of: "=") else { return nil }
            return (field[..<equals], String(field[field.index(after: equals)...]))
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// `Hi` of the RFC, which is PBKDF2.
    private static func derive(_ password: String) -> [UInt8] {
        var derived = [UInt8](repeating: 0, count: digestBytes)
        _ = unsafe PKCS5_PBKDF2_HMAC(
            password, Int32(password.utf8.count), salt, Int32(salt.count), Int32(iterations), EVP_sha512(),
            Int32(digestBytes), &derived)
        return derived
    }

    private static func sign(_ text: String, _ key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: digestBytes)
        let bytes = Array(text.utf8)
        _ = unsafe EVP_Q_mac(
            nil, "HMAC", nil, "SHA512", nil, key, key.count, bytes, bytes.count, &code, code.count, nil)
        return code
    }

    private static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: digestBytes)
        _ = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha512(), nil)
        return digest
    }
}
