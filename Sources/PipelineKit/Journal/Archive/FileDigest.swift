import Crypto

/// The size of some bytes and their SHA-256 (FIPS 180-4).
struct FileDigest: Equatable, Sendable {
    var bytes: Int64
    /// In 64 lower-case hexadecimal digits, as `sha256sum` prints it.
    var sha256: String

    init(bytes: Int64, sha256: String) {
        self.bytes = bytes
        self.sha256 = sha256
    }

    /// The digest of a file as it stands on the disk.
    init(ofFile path: String) throws(FileError) {
        let file = try JournalFile(reading: path)
        var digest = RunningDigest()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try unsafe buffer.withMutableBytes { (bytes) throws(FileError) in
                try unsafe file.read(at: digest.bytes, into: bytes)
            }
            if count == 0 { break }
            unsafe buffer[..<count].withUnsafeBytes { unsafe digest.add($0) }
        }
        self = digest.result
    }
}

/// A digest of bytes that come in pieces.
struct RunningDigest {
    private var hash = SHA256()
    private(set) var bytes: Int64 = 0

    mutating func add(_ piece: UnsafeRawBufferPointer) {
        unsafe hash.update(bufferPointer: piece)
        bytes += Int64(piece.count)
    }

    var result: FileDigest {
        let digits: [Character] = Array("0123456789abcdef")
        let text = hash.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return FileDigest(bytes: bytes, sha256: String(text))
    }
}
