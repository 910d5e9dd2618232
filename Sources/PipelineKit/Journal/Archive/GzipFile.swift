import CZlib
import Glibc

/// A gzip file that is being written (RFC 1952); one member, so that every tool reads it.
@safe
struct GzipWriter: ~Copyable {
    let path: String
    private let descriptor: Int32
    private let file: gzFile
    private var isFinished = false

    /// Bytes that zlib collects before it compresses them.
    private static let buffer: UInt32 = 1 << 17

    /// Creates the file anew.
    init(creating path: String) throws(FileError) {
        self.path = path
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileError("open", path) }
        // gzclose closes the descriptor it has, and ours is needed for the fsync after that.
        guard let opened = unsafe gzdopen(fcntl(descriptor, F_DUPFD_CLOEXEC, 0), "wb6") else {
            close(descriptor)
            throw FileError("open", path, code: ENOMEM)
        }
        unsafe file = opened
        _ = unsafe gzbuffer(file, Self.buffer)
    }

    deinit {
        if !isFinished { unsafe gzclose_w(file) }
        close(descriptor)
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        guard unsafe !bytes.isEmpty else { return }
        errno = 0
        guard unsafe gzwrite(file, bytes.baseAddress, UInt32(bytes.count)) == Int32(bytes.count) else {
            throw FileError("write", path, code: errno == 0 ? EIO : errno)
        }
    }

    /// Writes the end of the file, and returns when all of it is on the disk; nothing can be appended then.
    mutating func finish() throws(FileError) {
        errno = 0
        isFinished = true
        guard unsafe gzclose_w(file) == Z_OK else { throw FileError("write", path, code: errno == 0 ? EIO : errno) }
        guard fsync(descriptor) == 0 else { throw FileError("fsync", path) }
    }
}

/// Reads a gzip file, and refuses one that is cut short or damaged.
@safe
struct GzipReader: ~Copyable {
    let path: String
    private let file: gzFile
    private let allowsPlain: Bool

    /// - Parameters:
    ///   - path: of the file.
    ///   - allowsPlain: whether a file that gzip did not write is read as it is, and not refused.
    /// - Throws: `FileError` when it cannot be opened.
    init(_ path: String, allowsPlain: Bool = false) throws(FileError) {
        self.path = path
        self.allowsPlain = allowsPlain
        errno = 0
        guard let opened = unsafe gzopen(path, "rbe") else {
            throw FileError("open", path, code: errno == 0 ? ENOMEM : errno)
        }
        unsafe file = opened
        _ = unsafe gzbuffer(file, 1 << 17)
    }

    deinit {
        unsafe gzclose_r(file)
    }

    /// Where in the stored file reading is, in bytes.
    var offset: Int64 { unsafe Int64(gzoffset(file)) }

    /// Fills `buffer` from where the last read ended; returns how many bytes there were, 0 at the file's good end.
    ///
    /// - Throws: `Failure` (65) when the file does not hold what gzip wrote, `FileError` when it cannot be read.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        errno = 0
        let count = unsafe gzread(file, buffer.baseAddress, UInt32(clamping: buffer.count))
        var code: Int32 = Z_OK
        let text = unsafe gzerror(file, &code).map { unsafe String(cString: $0) } ?? ""
        if code == Z_ERRNO { throw FileError("read", path, code: errno == 0 ? EIO : errno) }
        // zlib hands through what is no gzip file, and an end that comes too early is an error only beside the count.
        guard count >= 0, code == Z_OK, unsafe allowsPlain || gzdirect(file) == 0 else {
            throw Failure(.badData, "\(path) is damaged: \(text.isEmpty ? "not a gzip file" : text)")
        }
        return Int(count)
    }
}
