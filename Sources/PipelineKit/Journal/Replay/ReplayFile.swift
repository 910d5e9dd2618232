import FoundationEssentials
import Glibc

/// One line of a file that is published again.
@safe
package struct ReplayLine {
    /// Its number in our journal; in a foreign file its place, from 1.
    package let seq: Int64
    /// Without the line end, valid only during the call that hands it out.
    package let bytes: UnsafeRawBufferPointer
    /// Nil for a line that our journal did not receive.
    package let receivedAt: Timestamp?
    package let connection: Int64
    /// Whether the disk has changed the bytes since our journal received them.
    package let isDamaged: Bool
}

/// A file of lines: of our archive, which knows its numbers, or somebody else's.
package struct ReplayFile: Sendable {
    private enum Kind {
        case segment(Segment)
        case archived(first: Int64, receipts: String)
        case foreign
    }

    package let path: String
    /// As it is stored.
    package let bytes: Int64
    /// The journal that numbered its lines; nil for a foreign file.
    package let journal: (stream: String, id: String)?
    private let kind: Kind

    /// The files that a path names: a file, a folder of files, a stream's journal folder, or its archive; in order.
    ///
    /// - Throws: `Failure` (78) when there is none, 74 when the disk refuses.
    package static func list(_ path: String) throws(Failure) -> [ReplayFile] {
        let files: [ReplayFile]
        do {
            if let names = try? JournalFolder.names(path) {
                let archive = names.contains(ArchiveOptions.folderName) ? path + "/" + ArchiveOptions.folderName : nil
                files =
                    try (archive.map(inFolder) ?? [])
                    + (names.contains("journal.json") ? segments(path) : inFolder(path))
            } else {
                files = [try ReplayFile(path)]
            }
        } catch {
            throw error as? Failure ?? Failure(.disk, "replay: \(error)")
        }
        guard !files.isEmpty else {
            throw Failure(.badSettings, "\(path) holds no file of JSON Lines (.jsonl, .ndjson, .json, each also .gz)")
        }
        return files
    }

    private static func inFolder(_ folder: String) throws -> [ReplayFile] {
        let journals = try journals(folder)
        return try JournalFolder.names(folder).sorted().filter { holdsLines($0, orReceipts: false) }
            .map { try ReplayFile(folder + "/" + $0, journals: journals) }
    }

    /// The journal of each file that the manifest of a folder names.
    private static func journals(_ folder: String) throws -> [String: String] {
        var journals: [String: String] = [:]
        try Manifest.read(folder: folder) { _, entry in
            if let entry, let file = entry.file { journals[file] = entry.journal }
        }
        return journals
    }

    /// Whether a file's name says that it holds lines to be published.
    static func holdsLines(_ path: String, orReceipts: Bool) -> Bool {
        let name = path.split(separator: "/").last ?? ""
        let own = [Manifest.fileName, UploadRecord.fileName, UploadState.fileName, "journal.json", "checkpoint.json"]
        if name.hasSuffix(".receipts.jsonl.gz") { return orReceipts }
        return [".jsonl", ".ndjson", ".json"].contains { name.hasSuffix($0) || name.hasSuffix($0 + ".gz") }
            && !own.contains(String(name))
    }

    private static func segments(_ folder: String) throws -> [ReplayFile] {
        let name = folder.split(separator: "/").last.map(String.init) ?? folder
        let identity = try JournalIdentity.read(folder: folder, stream: name)
        return try Segment.list(folder).map { segment in
            ReplayFile(
                path: segment.path, bytes: try JournalFolder.size(segment.path) ?? 0,
                journal: (identity.stream, identity.journal), kind: .segment(segment))
        }
    }

    private init(path: String, bytes: Int64, journal: (String, String)?, kind: Kind) {
        (self.path, self.bytes, self.journal, self.kind) = (path, bytes, journal, kind)
    }

    /// Looks at one file. It is ours when its name says so, its receipts lie beside it, and the journal is known: from
    /// the manifest beside it, or from the name of its folder, as in a bucket.
    ///
    /// - Parameters:
    ///   - path: of the file.
    ///   - journals: what the manifest beside it tells, when it was read already.
    /// - Throws: `FileError` when it cannot be looked at.
    package init(_ path: String, journals: [String: String]? = nil) throws {
        let parts = path.split(separator: "/")
        let folder = path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) : "."
        guard let size = try JournalFolder.size(path) else { throw FileError("open", path, code: ENOENT) }
        let file = parts.last.map(String.init) ?? path
        if let name = ArchiveName(file), try JournalFolder.size(folder + "/" + name.receipts) != nil {
            let listed = try journals ?? Self.journals(folder)
            if let id = listed[file]
                ?? parts.dropLast().last.map(String.init).flatMap({ Self.isJournalID($0) ? $0 : nil })
            {
                self.init(
                    path: path, bytes: size, journal: (name.stream, id),
                    kind: .archived(first: name.firstSeq, receipts: folder + "/" + name.receipts))
                return
            }
        }
        self.init(path: path, bytes: size, journal: nil, kind: .foreign)
    }

    private static func isJournalID(_ text: String) -> Bool {
        text.utf8.count == 8 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    /// Hands out every line in order, and how many bytes of the stored file were read so far.
    ///
    /// - Throws: `Failure` (65) when the file is damaged or cut short, 74 when the disk refuses; what `body` throws.
    package func read(_ body: (_ line: ReplayLine, _ position: Int64) throws -> Void) throws {
        do {
            switch kind {
            case .segment(let segment): try read(segment, body)
            case .archived(let first, let receipts):
                var book = try ReceiptBook(receipts)
                var seq = first
                try unsafe LineFile(path).read { bytes, position in
                    let receipt = book.receipt(of: seq)
                    try body(
                        unsafe ReplayLine(
                            seq: seq, bytes: bytes, receivedAt: receipt?.at, connection: receipt?.connection ?? 0,
                            isDamaged: false),
                        position)
                    seq += 1
                }
            case .foreign:
                var place: Int64 = 0
                try unsafe LineFile(path).read { bytes, position in
                    place += 1
                    try body(
                        unsafe ReplayLine(seq: place, bytes: bytes, receivedAt: nil, connection: 0, isDamaged: false),
                        position)
                }
            }
        } catch let error as FileError { throw Failure(.disk, "replay: \(error)") }
    }

    private func read(_ segment: Segment, _ body: (ReplayLine, Int64) throws -> Void) throws {
        let last = try SegmentIndex(reading: segment).lastWhole(size: JournalFolder.size(segment.path) ?? 0)
        guard let last else { return }
        var reader = try SegmentReader(segment)
        let end = JournalTail.End(seq: last.endSeq, segment: segment.firstSeq, offset: last.endOffset)
        var position: Int64 = 0
        while try reader.read(
            limit: 1000, end: end,
            { line in
                position += unsafe Int64(line.bytes.count) + 1
                try body(
                    unsafe ReplayLine(
                        seq: line.seq, bytes: line.bytes, receivedAt: line.receivedAt, connection: line.connection,
                        isDamaged: line.isDamaged),
                    position)
            }) > 0
        {}
    }
}

/// When, and on which connection, the lines of an archived file were received.
struct ReceiptBook {
    private struct Receipt: Decodable {
        var seq: Int64
        var lines: Int64
        var received_at: String
        var connection: String
    }

    private var receipts: [(seqs: Range<Int64>, at: Timestamp, connection: Int64)] = []
    private var place = 0

    /// Reads a file of receipts.
    ///
    /// - Throws: `Failure` (65) when it is damaged, `FileError` when it cannot be read.
    init(_ path: String) throws {
        let decoder = JSONDecoder()
        var found: [(seqs: Range<Int64>, at: Timestamp, connection: Int64)] = []
        try unsafe LineFile(path).read { bytes, _ in
            guard let receipt = try? unsafe decoder.decode(Receipt.self, from: Data(bytes)), receipt.lines > 0,
                let at = Timestamp(receipt.received_at)
            else { throw Failure(.badData, "\(path) is damaged: a line is no receipt") }
            found.append((receipt.seq..<receipt.seq + receipt.lines, at, Int64(receipt.connection) ?? 0))
        }
        receipts = found
    }

    /// Whether it tells of all these lines, and of each once.
    func covers(_ seqs: ClosedRange<Int64>) -> Bool {
        var next = seqs.lowerBound
        for receipt in receipts {
            guard receipt.seqs.lowerBound == next else { return false }
            next = receipt.seqs.upperBound
        }
        return next == seqs.upperBound + 1
    }

    /// The receipt of a line; lines are asked for in order.
    mutating func receipt(of seq: Int64) -> (at: Timestamp, connection: Int64)? {
        while place < receipts.count, receipts[place].seqs.upperBound <= seq { place += 1 }
        guard place < receipts.count, receipts[place].seqs.contains(seq) else { return nil }
        return (receipts[place].at, receipts[place].connection)
    }
}

/// Reads lines of a file, compressed or not.
private struct LineFile: ~Copyable {
    private let file: GzipReader

    init(_ path: String) throws(FileError) {
        file = try GzipReader(path, allowsPlain: true)
    }

    /// Hands out every line without its end, and where in the stored file reading is.
    func read(_ body: (UnsafeRawBufferPointer, Int64) throws -> Void) throws {
        var rest: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        while case let count = try unsafe buffer.withUnsafeMutableBytes({ try unsafe file.read(into: $0) }), count > 0 {
            var start = 0
            while let end = buffer[start..<count].firstIndex(of: UInt8(ascii: "\n")) {
                rest += buffer[start..<end]
                try unsafe give(rest, body)
                rest.removeAll(keepingCapacity: true)
                start = end + 1
            }
            rest += buffer[start..<count]
        }
        if !rest.isEmpty { try unsafe give(rest, body) }
    }

    private func give(_ line: [UInt8], _ body: (UnsafeRawBufferPointer, Int64) throws -> Void) throws {
        try unsafe line.withUnsafeBytes { try unsafe body($0, file.offset) }
    }
}
