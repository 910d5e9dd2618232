package import Core
import Synchronization

/// The bearer token that requests need. Its file is read for each of them, so that a new token needs no restart.
package final class StatusToken: Sendable {
    private let path: String
    /// The last one that could be read.
    private let known: Mutex<[UInt8]>

    /// A shorter one could be guessed.
    private static let shortest = 16

    /// - Parameter path: the file.
    /// - Throws: `FileError` when it holds no token.
    package init(_ path: String) throws(FileError) {
        self.path = path
        known = Mutex(try Self.read(path))
    }

    /// The token of a file.
    ///
    /// - Parameter path: the file.
    /// - Returns: its bytes.
    /// - Throws: `FileError` when the file cannot be read, or does not hold one token.
    static func read(_ path: String) throws(FileError) -> [UInt8] {
        let bytes = Array(try readTextFile(path).trimmed.utf8)
        // RFC 6750, section 2.1: a bearer token is visible ASCII.
        guard bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw FileError(path: path, detail: "the token must be one word of ASCII characters")
        }
        guard bytes.count >= shortest else {
            throw FileError(path: path, detail: "the token must have at least \(shortest) characters")
        }
        return bytes
    }

    /// The token as it is now; the last one that could be read.
    package var bytes: [UInt8] {
        known.withLock { known in
            if let new = try? Self.read(path) { known = new }
            return known
        }
    }

    /// Whether a request has the token.
    ///
    /// - Parameter authorization: its header.
    /// - Returns: false without the token.
    package func accepts(_ authorization: String?) -> Bool {
        let scheme = "bearer "
        guard let authorization, authorization.lowercased().hasPrefix(scheme) else { return false }
        return areEqual(bytes, Array(authorization.utf8.dropFirst(scheme.utf8.count)))
    }
}

/// Whether a secret is what was given. The time that this takes does not depend on where they differ.
///
/// - Parameters:
///   - secret: what is right.
///   - given: what a stranger has sent.
/// - Returns: whether they are the same.
package func areEqual(_ secret: [UInt8], _ given: [UInt8]) -> Bool {
    var difference = UInt8(given.count == secret.count ? 0 : 1)
    for index in secret.indices { difference |= secret[index] ^ (index < given.count ? given[index] : 0) }
    return difference == 0
}
