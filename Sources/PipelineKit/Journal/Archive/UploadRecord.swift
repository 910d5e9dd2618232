import Core
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
    /// `checksum` when S3 reported the SHA-256 of the object, `read` when it was read back.
    package var verified: String

    package static let fileName = "uploads.jsonl"

    package init(at: String, file: String, bytes: Int64, sha256: String, url: String, verified: String) {
        self.at = at
        self.file = file
        self.bytes = bytes
        self.sha256 = sha256
        self.url = url
        self.verified = verified
    }

    /// The line in the file, with its end.
    package var line: String { jsonLine(self) }
}

/// The line of `uploads.jsonl` that stands for the records of segments that are no longer here.
struct UploadTotal: Codable, Equatable {
    /// When the last of them was verified, RFC 3339.
    var at: String
    var segments: Int
    /// Bytes of their files, as stored.
    var bytes: Int64
}

private func jsonLine(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n" } catch {
        preconditionFailure("strings and integers always encode: \(error)")
    }
}

/// What `uploads.jsonl` says: what is in the bucket.
package struct UploadList {
    /// Segments that are here as well, or were when the list was last shortened; the last record of each.
    package private(set) var records: [UploadRecord] = []
    /// Segments that are only in the bucket.
    private(set) var earlier = UploadTotal(at: "", segments: 0, bytes: 0)

    /// Reads the list of an archive folder; without the file it is empty. A line that is no record is passed over: its
    /// segment is uploaded once more.
    ///
    /// - Throws: `FileError` when the file cannot be read.
    package init(folder: String) throws(FileError) {
        let bytes: [UInt8]
        do { bytes = try readWholeFile(folder + "/" + UploadRecord.fileName) } catch {
            if error.isMissingFile { return }
            throw error
        }
        let decoder = JSONDecoder()
        var places: [String: Int] = [:]
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if let record = try? decoder.decode(UploadRecord.self, from: Data(line)) {
                if let place = places[record.file] {
                    records[place] = record
                } else {
                    places[record.file] = records.count
                    records.append(record)
                }
            } else if let total = try? decoder.decode(UploadTotal.self, from: Data(line)) {
                add(total)
            }
        }
    }

    private mutating func add(_ total: UploadTotal) {
        earlier.at = max(earlier.at, total.at)
        earlier.segments += total.segments
        earlier.bytes += total.bytes
    }

    /// Replaces the list by one in which segments that are no longer here are only counted.
    ///
    /// - Returns: how many bytes shorter it is.
    /// - Throws: `FileError` when the disk refuses; the old one is there then.
    package static func shorten(folder: String) throws(FileError) -> Int64 {
        guard let before = try JournalFolder.size(folder + "/" + UploadRecord.fileName) else { return 0 }
        var list = try UploadList(folder: folder)
        var text = ""
        for record in list.records {
            if try JournalFolder.size(folder + "/" + record.file) == nil {
                list.add(UploadTotal(at: record.at, segments: 1, bytes: record.bytes))
            } else {
                text += record.line
            }
        }
        if list.earlier.segments > 0 { text = jsonLine(list.earlier) + text }
        let saved = before - Int64(text.utf8.count)
        guard saved > before / 4 else { return 0 }
        try JournalFolder.replace(UploadRecord.fileName, in: folder, with: text, at: .shorten)
        return saved
    }
}

/// Which files of the archive are in the bucket: the archiver removes only these, as the uploader reports them.
package final class UploadedFiles: Sendable {
    private let names = Mutex<Set<String>>([])

    package init() {}

    package func insert(_ name: String) { names.withLock { _ = $0.insert(name) } }
    var count: Int { names.withLock { $0.count } }
    package func contains(_ name: String) -> Bool { names.withLock { $0.contains(name) } }
}

/// The state of the uploads: a small file for `journal status`.
package struct UploadState: Codable, Sendable, Equatable {
    /// When it was written, RFC 3339.
    package var at: String
    /// `uploading`, or `waiting: ` and why.
    package var state: String

    package static let fileName = "upload-state.json"

    private static func file(in folder: String) -> StateFile<UploadState> { StateFile(fileName, in: folder) }

    /// Replaces the file; best effort, because the disk may be what is wrong.
    package static func tell(_ state: String, folder: String) {
        try? file(in: folder).write(UploadState(at: Timestamp.now().description, state: state))
    }

    package static func read(folder: String) -> UploadState? { file(in: folder).value }
}
