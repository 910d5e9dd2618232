import Core
import FoundationEssentials
import Glibc
import Synchronization

/// A temporary folder that is deleted with its sandbox, or by a later one when this process was killed.
///
/// The owner holds a lock (flock(2)) on a file inside for as long as it lives; a folder whose lock is free is a leftover.
final class SandboxFolder: Sendable {
    let path: String
    /// Nil when the folder is deleted: a second close would close a file that was opened since.
    private let lock: Mutex<Int32?>

    private static let prefix = "tweet-sandbox-"

    /// Makes a folder in /tmp (a socket's path may have 107 bytes, so not in a deep TMPDIR), owned by `user`.
    ///
    /// - Throws: `Failure` (disk).
    init(user: String?) throws(Failure) {
        var template = Array("/tmp/\(Self.prefix)XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw Failure(.disk, "\(FileError("create a folder in", "/tmp"))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let lock = unsafe open("\(path)/owner", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        self.lock = Mutex(lock >= 0 ? lock : nil)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else { throw Failure(.disk, "\(FileError("lock", path))") }
        if let user, let entry = unsafe getpwnam(user) {
            let (owner, group) = unsafe (entry.pointee.pw_uid, entry.pointee.pw_gid)
            guard unsafe chown(path, owner, group) == 0 else { throw Failure(.disk, "\(FileError("chown", path))") }
        }
    }

    /// Deletes the folder and what is in it; a second call does nothing.
    func delete() {
        guard let lock = lock.withLock({ $0.take() }) else { return }
        try? FileManager.default.removeItem(atPath: path)
        close(lock)
    }

    /// Deletes what killed processes left behind, after ending a server that still runs there.
    static func deleteLeftovers() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? [] where name.hasPrefix(prefix) {
            let path = "/tmp/\(name)"
            let lock = unsafe open("\(path)/owner", O_RDWR | O_CLOEXEC)
            guard lock >= 0 else { continue }
            defer { close(lock) }
            guard flock(lock, LOCK_EX | LOCK_NB) == 0, isOlderThanAMinute(lock) else { continue }
            if let server = serverProcess(in: path) { kill(server, SIGQUIT) }
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    /// A folder's owner creates the file and locks it in two steps; a minute is far more than lies between them.
    private static func isOlderThanAMinute(_ descriptor: Int32) -> Bool {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return false }
        return status.st_mtim.tv_sec + 60 < time(nil)
    }

    /// The postmaster that runs on the folder's data, from its lock file, if it is still that process.
    private static func serverProcess(in path: String) -> pid_t? {
        guard let text = try? readTextFile("\(path)/data/postmaster.pid"),
            let process = text.split(separator: "\n").first.flatMap({ pid_t($0) }),
            let command = try? readTextFile("/proc/\(process)/cmdline"), command.contains(path)
        else { return nil }
        return process
    }
}
