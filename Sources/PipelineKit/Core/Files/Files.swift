import Glibc

/// A failed system call on a file: what was tried, on which path, and the system's reason.
package struct FileError: Error, CustomStringConvertible, Sendable {
    package let operation: String
    package let path: String
    package let code: Int32
    /// What is wrong in the file and where, when that is more than the system's reason.
    package let detail: String?

    /// Takes `code` from `errno` when not given, so call it right after the failing system call.
    package init(_ operation: String, _ path: String, code: Int32 = errno) {
        (self.operation, self.path, self.code, detail) = (operation, path, code, nil)
    }

    /// A file whose content cannot be read as text.
    package init(path: String, detail: String) {
        (operation, self.path, code, self.detail) = ("read", path, EILSEQ, detail)
    }

    /// A file of ours that holds something else than what is written there.
    init(damaged path: String) {
        (operation, self.path, code, detail) = ("read", path, EBADMSG, "the file is damaged")
    }

    /// Whether a file of ours holds something else than what is written there.
    package var isDamaged: Bool { code == EBADMSG }

    /// Whether the file or a folder on its way is not there.
    package var isMissingFile: Bool { code == ENOENT }

    /// Whether the process, or the machine, has no file descriptor left for the moment.
    package var isOutOfDescriptors: Bool { code == EMFILE || code == ENFILE }

    package var description: String {
        detail.map { "\(path): \($0)" } ?? "\(operation) \(path): \(unsafe String(cString: strerror(code)))"
    }
}

/// The bytes of a small file.
package func readWholeFile(_ path: String) throws(FileError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError("open", path) }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        if count < 0 {
            if errno == EINTR { continue }
            throw FileError("read", path)
        }
        if count == 0 { return result }
        result.append(contentsOf: buffer[..<count])
    }
}
