import CZlib
import Core
import Glibc

/// A gzip file that is being written (RFC 1952); one member, so that every tool reads it.
@safe
package struct GzipWriter: ~Copyable {
    let path: String
    private let descriptor: Int32
    private let file: gzFile
    private var isFinished = false

    /// Bytes that zlib collects before it compresses them.
    private static let buffer: UInt32 = 1 << 17

    /// Creates the file, replacing an existing one.
    package init(creating path: String) throws(FileError) {
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

    package func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        guard unsafe !bytes.isEmpty else { return }
        errno = 0
        guard unsafe gzwrite(file, bytes.baseAddress, UInt32(bytes.count)) == Int32(bytes.count) else {
            throw FileError("write", path, code: errno == 0 ? EIO : errno)
        }
    }

    /// Writes the end of the file, and returns when all of it is on the disk; nothing can be appended then.
    package mutating func finish() throws(FileError) {
        errno = 0
        isFinished = true
        guard unsafe gzclose_w(file) == Z_OK else { throw FileError("write", path, code: errno == 0 ? EIO : errno) }
        guard fsync(descriptor) == 0 else { throw FileError("fsync", path) }
    }
}
