import Core
import Glibc

/// The one process that writes a journal: a lock on a file that ends with the process, however that ends.
///
/// The file names the holder and says whether the journal accepts lines.
final class JournalLock: Sendable {
    static let fileName = "lock"

    private let file: JournalFile
    private let since = Timestamp.now()

    /// The file always has this size, so that telling a full disk needs no room on it.
    private static let size = 512

    /// Takes the lock and writes who holds it into its file.
    ///
    /// - Throws: `JournalError`: `retry` when another process holds it for a second, `FileError` when the file cannot be used.
    init(folder: String) throws {
        let path = folder + "/" + Self.fileName
        let file = try JournalFile(updating: path)
        guard try file.lockWithinASecond() else {
            let holder = try readTextFile(path).split(separator: "\n").first.map { " (\($0))" } ?? ""
            throw JournalError(.retry, "another tweet-producer\(holder) holds the journal \(folder); stop it first")
        }
        try Self.write("writing", since: since, to: file)
        self.file = file
    }

    /// Records the journal's state for other processes; best effort, because the disk may be what is wrong.
    func tell(state: String) {
        try? Self.write(state, since: since, to: file)
    }

    private static func write(
        _ state: String, since: Timestamp, to file: borrowing JournalFile
    ) throws(FileError) {
        let text = "pid \(getpid()) since \(since)\n\(state.replacing("\n", with: " "))\n"
        var bytes = Array(text.utf8.prefix(size - 1))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: size - 1 - bytes.count))
        bytes.append(UInt8(ascii: "\n"))
        try unsafe bytes.withBytes { (buffer) throws(FileError) in try unsafe file.write(buffer, at: 0) }
    }

    /// Who holds the journal of a folder, and how it is; nil when no process does.
    static func holder(of folder: String) throws(FileError) -> (process: String, state: String)? {
        let path = folder + "/" + fileName
        let file: JournalFile
        do { file = try JournalFile(reading: path) } catch {
            if error.isMissingFile { return nil }
            throw error
        }
        if try file.lock() { return nil }
        let lines = try readTextFile(path).split(separator: "\n").map { $0.trimmingEnd() }
        return (lines.first ?? "", lines.count > 1 ? lines[1] : "")
    }
}

extension Substring {
    fileprivate func trimmingEnd() -> String {
        var text = self
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
