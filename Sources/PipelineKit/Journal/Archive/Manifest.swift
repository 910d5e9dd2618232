import Core
import FoundationEssentials

/// One line of an archive's manifest: what became of one segment, or of a run of sequence numbers.
package struct ManifestEntry: Codable, Sendable, Equatable {
    package enum Event: String, Codable, Sendable {
        /// The segment is in the archive, and was read back and compared.
        case archived
        /// Its archived files were removed because JOURNAL_KEEP does not keep them.
        case removed
        /// Its lines were dropped before Kafka had them, to make room (JOURNAL_FULL=drop-oldest).
        case dropped
    }

    /// The second file of an archived segment: when, and on which connection, its lines were received.
    package struct Receipts: Codable, Sendable, Equatable {
        package var file: String
        package var bytes: Int64
        package var sha256: String
    }

    package var event: Event
    /// When it happened, RFC 3339.
    package var at: String
    package var journal: String
    package var stream: String
    package var firstSeq: Int64
    package var lastSeq: Int64
    /// The file with the lines, in the manifest's folder.
    package var file: String?
    /// Bytes of that file, as it is stored.
    package var bytes: Int64?
    /// SHA-256 of that file, as it is stored.
    package var sha256: String?
    /// Bytes of the lines, uncompressed.
    package var plainBytes: Int64?
    /// SHA-256 of the lines, uncompressed.
    package var plainSHA256: String?
    /// Lines whose checksum did not fit when they were archived; left out when there are none.
    package var damagedLines: Int64?
    /// Ids of the first and the last tweet, by place; left out when there is none.
    package var firstID: String?
    package var lastID: String?
    package var firstReceivedAt: String?
    package var lastReceivedAt: String?
    package var receipts: Receipts?

    private enum CodingKeys: String, CodingKey {
        case event, at, journal, stream
        case firstSeq = "first_seq"
        case lastSeq = "last_seq"
        case lines, file, bytes, sha256
        case plainBytes = "plain_bytes"
        case plainSHA256 = "plain_sha256"
        case damagedLines = "damaged_lines"
        case firstID = "first_id"
        case lastID = "last_id"
        case firstReceivedAt = "first_received_at"
        case lastReceivedAt = "last_received_at"
        case receipts
    }

    init(_ event: Event, source: JournalSource, seqs: ClosedRange<Int64>) {
        self.event = event
        at = Timestamp.now().description
        journal = source.journal
        stream = source.stream
        firstSeq = seqs.lowerBound
        lastSeq = seqs.upperBound
    }

    /// Reads one line of a manifest; nil when it is no entry.
    init?(line: some Sequence<UInt8>) {
        guard let entry = try? JSONDecoder().decode(ManifestEntry.self, from: Data(line)) else { return nil }
        self = entry
    }

    /// How many lines it is about.
    package var lines: Int64 { lastSeq - firstSeq + 1 }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        event = try values.decode(Event.self, forKey: .event)
        at = try values.decode(String.self, forKey: .at)
        journal = try values.decode(String.self, forKey: .journal)
        stream = try values.decode(String.self, forKey: .stream)
        firstSeq = try values.decode(Int64.self, forKey: .firstSeq)
        lastSeq = try values.decode(Int64.self, forKey: .lastSeq)
        file = try values.decodeIfPresent(String.self, forKey: .file)
        bytes = try values.decodeIfPresent(Int64.self, forKey: .bytes)
        sha256 = try values.decodeIfPresent(String.self, forKey: .sha256)
        plainBytes = try values.decodeIfPresent(Int64.self, forKey: .plainBytes)
        plainSHA256 = try values.decodeIfPresent(String.self, forKey: .plainSHA256)
        damagedLines = try values.decodeIfPresent(Int64.self, forKey: .damagedLines)
        firstID = try values.decodeIfPresent(String.self, forKey: .firstID)
        lastID = try values.decodeIfPresent(String.self, forKey: .lastID)
        firstReceivedAt = try values.decodeIfPresent(String.self, forKey: .firstReceivedAt)
        lastReceivedAt = try values.decodeIfPresent(String.self, forKey: .lastReceivedAt)
        receipts = try values.decodeIfPresent(Receipts.self, forKey: .receipts)
        let lines = try values.decode(Int64.self, forKey: .lines)
        let hasPath = [file, receipts?.file].contains { $0?.contains("/") == true }
        guard firstSeq > 0, lastSeq >= firstSeq, lines == self.lines, !hasPath else {
            throw DecodingError.dataCorruptedError(
                forKey: .lines, in: values, debugDescription: "numbers that do not fit together")
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

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(event, forKey: .event)
        try values.encode(at, forKey: .at)
        try values.encode(journal, forKey: .journal)
        try values.encode(stream, forKey: .stream)
        try values.encode(firstSeq, forKey: .firstSeq)
        try values.encode(lastSeq, forKey: .lastSeq)
        try values.encode(lines, forKey: .lines)
        try values.encodeIfPresent(file, forKey: .file)
        try values.encodeIfPresent(bytes, forKey: .bytes)
        try values.encodeIfPresent(sha256, forKey: .sha256)
        try values.encodeIfPresent(plainBytes, forKey: .plainBytes)
        try values.encodeIfPresent(plainSHA256, forKey: .plainSHA256)
        try values.encodeIfPresent(damagedLines, forKey: .damagedLines)
        try values.encodeIfPresent(firstID, forKey: .firstID)
        try values.encodeIfPresent(lastID, forKey: .lastID)
        try values.encodeIfPresent(firstReceivedAt, forKey: .firstReceivedAt)
        try values.encodeIfPresent(lastReceivedAt, forKey: .lastReceivedAt)
        try values.encodeIfPresent(receipts, forKey: .receipts)
    }
}

/// The list of what an archive holds: `manifest.jsonl`, one JSON object a line.
///
/// Entries are appended; occasionally the whole file is replaced by a shorter one with the same content (`shorten`).
package struct Manifest: ~Copyable {
    package static let fileName = "manifest.jsonl"

    private let file: JournalFile

    /// Opens the manifest of an archive folder for appending, and cuts a line that a crash has left unfinished.
    init(folder: String) throws(FileError) {
        let file = try JournalFile(appendingTo: folder + "/" + Self.fileName)
        try Self.cutTornTail(file)
        self.file = file
    }

    /// Its size in bytes.
    func bytes() throws(FileError) -> Int64 { try file.status().size }

    private static func cutTornTail(_ file: borrowing JournalFile) throws(FileError) {
        let size = try file.status().size
        var end = size
        var buffer = [UInt8](repeating: 0, count: 4096)
        while end > 0 {
            let start = max(0, end - Int64(buffer.count))
            let count = try unsafe buffer.withMutableBytes { (bytes) throws(FileError) in
                try unsafe file.read(
                    at: start, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<Int(end - start)]))
            }
            if let last = buffer[..<count].lastIndex(of: UInt8(ascii: "\n")) {
                end = start + Int64(last) + 1
                break
            }
            end = start
        }
        if end < size { try file.truncate(to: end) }
    }

    /// Appends an entry; it is on the disk when this returns.
    ///
    /// - Returns: the bytes that it takes.
    @discardableResult func append(_ entry: ManifestEntry) throws(FileError) -> Int64 {
        let line = entry.line
        try file.append(text: line)
        try file.synchronize()
        return Int64(line.utf8.count)
    }

    /// Hands out the entries of an archive folder in their order; without a manifest there are none.
    ///
    /// An unfinished last line is passed over: its segment was not removed yet.
    ///
    /// - Throws: `FileError` when it cannot be read; what `body` throws. A line that is no entry is handed out as nil.
    package static func read(folder: String, _ body: (_ line: Int, _ entry: ManifestEntry?) throws -> Void) throws {
        let bytes: [UInt8]
        do { bytes = try readWholeFile(folder + "/" + fileName) } catch {
            if error.isMissingFile { return }
            throw error
        }
        let decoder = JSONDecoder()
        var rest = bytes[...]
        var number = 0
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            number += 1
            try body(number, try? decoder.decode(ManifestEntry.self, from: Data(rest[..<end])))
            rest = rest[(end + 1)...]
        }
    }
}
