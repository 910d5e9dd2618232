import FoundationEssentials
import Synchronization

/// One line of `uploads.jsonl`: a segment of the archive that is in the bucket, verified.
package struct UploadRecord: Codable, Sendable, Equatable {
    /// When it was verified, RFC 3339.
    package var at: String
    /// The file with the lines, as in the manifest.
    package var file: String
    /// Bytes of that file and of its receipts.
    package var bytes: Int64
    /// SHA-256 of the file with the lines.
    package var sha256: String
    /// Where the file with the lines is.
    package var url: String
    /// `checksum` when S3 told the SHA-256 of what it stores, `read` when it was read back.
    package var verified: String

    static let fileName = "uploads.jsonl"

    /// Hands out the records of an archive folder; without the file there are none. A line that is no record is passed
    /// over: its segment is uploaded once more.
    ///
    /// - Throws: `FileError` when the file cannot be read.
    static func read(folder: String, _ body: (UploadRecord) -> Void) throws(FileError) {
        let bytes: [UInt8]
        do { bytes = try readWholeFile(folder + "/" + fileName) } catch {
            if error.isMissingFile { return }
            throw error
        }
        let decoder = JSONDecoder()
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if let record = try? decoder.decode(UploadRecord.self, from: Data(line)) { body(record) }
        }
    }

    /// The line in the file, with its end.
    var line: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n" } catch {
            preconditionFailure("strings and integers always encode: \(error)")
        }
    }
}

/// Which files of the archive are in the bucket: what the uploader tells the archiver, which removes no others.
package final class UploadedFiles: Sendable {
    private let names = Mutex<Set<String>>([])

    package init() {}

    func insert(_ name: String) { names.withLock { _ = $0.insert(name) } }
    var count: Int { names.withLock { $0.count } }
    func contains(_ name: String) -> Bool { names.withLock { $0.contains(name) } }
}

/// How the uploads are at the moment: a small file for `journal status`.
package struct UploadState: Codable, Sendable, Equatable {
    /// When it was written, RFC 3339.
    package var at: String
    /// `uploading`, or `waiting: ` and why.
    package var state: String

    static let fileName = "upload-state.json"

    /// Replaces the file; best effort, because the disk may be what is wrong.
    static func tell(_ state: String, folder: String) {
        let text = "{\"at\":\"\(Timestamp.now())\",\"state\":\(JSONText.string(state))}\n"
        try? JournalFolder.replace(fileName, in: folder, with: text)
    }

    static func read(folder: String) -> UploadState? {
        guard let bytes = try? readWholeFile(folder + "/" + fileName) else { return nil }
        return try? JSONDecoder().decode(UploadState.self, from: Data(bytes))
    }
}
