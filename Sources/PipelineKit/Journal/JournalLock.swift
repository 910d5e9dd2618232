import Glibc

/// The one process that writes a journal: a lock on a file that ends with the process, however that ends.
struct JournalLock: ~Copyable {
    private let file: JournalFile

    /// Takes the lock and writes who holds it into its file.
    ///
    /// - Throws: `Failure` (75) when another process holds it, `FileError` when the file cannot be used.
    init(folder: String) throws {
        let path = folder + "/lock"
        let file = try JournalFile(appendingTo: path)
        guard try file.lock() else {
            let holder = try readTextFile(path).split(separator: "\n").last.map { " (\($0))" } ?? ""
            throw Failure(.tryAgain, "another tweet-producer\(holder) holds the journal \(folder); stop it first")
        }
        try file.truncate(to: 0)
        try file.append(text: "pid \(getpid()) since \(Timestamp.now())\n")
        self.file = file
    }
}
