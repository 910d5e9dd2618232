import Core
import Glibc

/// The permanent name of a journal folder, so that a recreated folder is not mistaken for the lost one.
package struct JournalIdentity: Codable, Sendable {
    package let journal: String
    package let stream: String
    let created: String

    private static let fileName = "journal.json"

    /// Whether a text has the form of a journal's id: 8 hexadecimal digits in lower case.
    package static func isID(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 8 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    static func exists(in folder: String) throws(FileError) -> Bool {
        do { return try JournalFolder.size(folder + "/" + fileName) != nil } catch {
            // A plain file beside the streams' folders.
            if error.code == ENOTDIR { return false }
            throw error
        }
    }

    private static func file(in folder: String) -> StateFile<JournalIdentity> { StateFile(fileName, in: folder) }

    /// - Throws: `JournalError`: `operator` when it is missing, damaged or another stream's.
    package static func read(folder: String, stream: String) throws(JournalError) -> JournalIdentity {
        guard let identity = try readIfThere(folder: folder, stream: stream) else {
            throw JournalError(.operator(.disk), "\(folder) has no \(fileName), so it is no journal.")
        }
        return identity
    }

    private static func readIfThere(folder: String, stream: String) throws(JournalError) -> JournalIdentity? {
        let file = file(in: folder)
        let read: JournalIdentity?
        do throws(FileError) { read = try file.read() } catch {
            throw error.isDamaged ? damaged(file.path) : JournalError(error)
        }
        guard let identity = read else { return nil }
        guard isID(identity.journal), identity.stream == stream else { throw damaged(file.path) }
        return identity
    }

    private static func damaged(_ path: String) -> JournalError {
        JournalError(
            .operator(.disk),
            "\(path) is damaged or belongs to another stream. Restore it, or start with an empty folder.")
    }

    static func readOrCreate(folder: String, stream: String) throws -> JournalIdentity {
        try readIfThere(folder: folder, stream: stream) ?? create(folder: folder, stream: stream)
    }

    private static func create(folder: String, stream: String) throws -> JournalIdentity {
        guard try Segment.list(folder).isEmpty else {
            throw JournalError(
                .operator(.disk),
                "\(folder) holds segments but no \(fileName), which names them."
                    + " Restore it, or move the segments away and start with an empty folder.")
        }
        let number = String(UInt32.random(in: .min ... .max), radix: 16)
        let identity = JournalIdentity(
            journal: String(repeating: "0", count: 8 - number.utf8.count) + number, stream: stream,
            created: Timestamp.now().description)
        try file(in: folder).write(identity)
        return identity
    }
}
