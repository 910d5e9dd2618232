import COpenSSL
import Core

/// The size of some bytes and their SHA-256 (FIPS 180-4).
package struct FileDigest: Equatable, Sendable {
    package var bytes: Int64
    /// In 64 lower-case hexadecimal digits, as `sha256sum` prints it.
    package var sha256: String

    package init(bytes: Int64, sha256: String) {
        self.bytes = bytes
        self.sha256 = sha256
    }

    /// The digest of a file as it stands on the disk.
    package init(ofFile path: String) throws(FileError) {
        let file = try JournalFile(reading: path)
        var digest = RunningDigest()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try unsafe buffer.withMutableBytes { (bytes) throws(FileError) in
                try unsafe file.read(at: digest.bytes, into: bytes)
            }
            if count == 0 { break }
            Heartbeat.beat()
            unsafe buffer[..<count].withUnsafeBytes { unsafe digest.add($0) }
        }
        self = digest.result
    }
}

/// A digest of bytes that come in pieces.
package struct RunningDigest {
    private var context = DigestContext()
    package private(set) var bytes: Int64 = 0

    package mutating func add(_ piece: UnsafeRawBufferPointer) {
        if !isKnownUniquelyReferenced(&context) { context = DigestContext(copying: context) }
        unsafe context.add(piece)
        bytes += Int64(piece.count)
    }

    package var result: FileDigest {
        let digits: [Character] = Array("0123456789abcdef")
        let text = DigestContext(copying: context).finish().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return FileDigest(bytes: bytes, sha256: String(text))
    }

    package init() {
    }
}

/// Owns one of OpenSSL's digest contexts (EVP_DigestInit(3)), set up for SHA-256.
///
/// OpenSSL fails here only when memory is short or the library is broken, which no caller can fix.
@safe
private final class DigestContext {
    private let context: OpaquePointer

    init() {
        unsafe context = EVP_MD_CTX_new()
        let isReady = unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil)
        precondition(isReady == 1, "OpenSSL offers no SHA-256")
    }

    init(copying other: DigestContext) {
        unsafe context = EVP_MD_CTX_new()
        let isCopied = unsafe EVP_MD_CTX_copy_ex(context, other.context)
        precondition(isCopied == 1, "OpenSSL could not copy a digest")
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    func add(_ piece: UnsafeRawBufferPointer) {
        let isTaken = unsafe EVP_DigestUpdate(context, piece.baseAddress, piece.count)
        precondition(isTaken == 1, "OpenSSL accepted no bytes")
    }

    /// The digest; nothing can be added afterwards.
    func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        let isDone = unsafe EVP_DigestFinal_ex(context, &digest, nil)
        precondition(isDone == 1, "OpenSSL finished no digest")
        return digest
    }
}
