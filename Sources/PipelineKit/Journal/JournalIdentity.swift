import Core
import FoundationEssentials
import Glibc

/// Names a journal folder for ever, so that a folder that was lost and made anew is not mistaken for the old one.
package struct JournalIdentity: Codable {
    package let journal: String
    package let stream: String
    let created: String

    private static let fileName = "journal.json"

    static func exists(in folder: String) throws(FileError) -> Bool {
        do { return try JournalFolder.size(folder + "/" + fileName) != nil } catch {
            // A plain file beside the streams' folders.
            if error.code == ENOTDIR { return false }
            throw error
        }
    }

    /// - Throws: `Failure` (74) when it is damaged or another stream's, `FileError` when it cannot be read.
    package static func read(folder: String, stream: String) throws -> JournalIdentity {
        let path = folder + "/" + fileName
        let bytes = try readWholeFile(path)
        guard let identity = try? JSONDecoder().decode(JournalIdentity.self, from: Data(bytes)),
            identity.journal.utf8.count == 8, identity.stream == stream
        else {
            throw Failure(
                .disk, "\(path) is damaged or belongs to another stream. Restore it, or start with an empty folder.")
        }
        return identity
    }

    static func readOrCreate(folder: String, stream: String) throws -> JournalIdentity {
        do { return try read(folder: folder, stream: stream) } catch let error as FileError where error.isMissingFile {
            return try create(folder: folder, stream: stream)
        }
    }

    private static func create(folder: String, stream: String) throws -> JournalIdentity {
        guard try Segment.list(folder).isEmpty else {
            throw Failure(
                .disk,
                "\(folder) holds segments but no \(fileName), which names them."
                    + " Restore it, or move the segments away and start with an empty folder.")
        }
        let number = String(UInt32.random(in: .min ... .max), radix: 16)
        let identity = JournalIdentity(
            journal: String(repeating: "0", count: 8 - number.utf8.count) + number, stream: stream,
            created: Timestamp.now().description)
        let text = try String(decoding: JSONEncoder().encode(identity), as: UTF8.self)
        try JournalFolder.replace(fileName, in: folder, with: text + "\n")
        return identity
    }
}
