import Core
import Glibc
import XAPI

/// The one process of this host that reads the stream with a credential: a lock that ends with the process.
///
/// X's self-serve plans allow one connection for an app, so there the lock is the credential's alone; with an enterprise
/// plan each stream has its own. The file names the holder.
struct HostLock: ~Copyable {
    private let file: JournalFile

    /// Takes the lock.
    ///
    /// - Parameters:
    ///   - folder: where the locks of this host are.
    ///   - credential: names the credential without telling it.
    ///   - stream: nil when the credential allows one stream only.
    ///   - purpose: what others read in the file, such as `stream default, journal /var/lib/x`.
    /// - Throws: `XError`: `retry` that names the holder when another process has it; `FileError` when the folder cannot be used.
    init(folder: String, credential: String, stream: String?, purpose: String) throws {
        let path = folder + "/tweet-producer-\(credential)\(stream.map { "-" + $0 } ?? "").lock"
        while true {
            let file = try Self.open(path)
            guard try file.lockWithinASecond() else {
                let holder = (try? readTextFile(path))?.split(separator: "\n").first.map { " (\($0))" } ?? ""
                throw XError(
                    .retry,
                    "another process of this host\(holder) reads X's stream with the same credential; stop it first")
            }
            // The last holder may have removed the file between our opening and locking it.
            guard file.isStillNamed() else { continue }
            try? Self.write("pid \(getpid()) since \(Timestamp.now()), \(purpose)\n", to: file)
            self.file = file
            return
        }
    }

    deinit {
        // Still locked, so a waiting process sees that the name was removed and starts over.
        try? JournalFolder.remove(file.path)
    }

    /// A file of another user cannot be written, but it can be locked.
    private static func open(_ path: String) throws(FileError) -> JournalFile {
        do { return try JournalFile(updating: path) } catch {
            if error.code == EACCES { return try JournalFile(reading: path) }
            throw error
        }
    }

    private static func write(_ text: String, to file: borrowing JournalFile) throws(FileError) {
        try file.truncate(to: 0)
        try unsafe Array(text.utf8).withBytes { (bytes) throws(FileError) in try unsafe file.write(bytes, at: 0) }
    }
}
