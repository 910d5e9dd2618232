import Core
import Digests
import FoundationEssentials
import Glibc
import Journal

/// One line of a file that is published again.
@safe
package struct ReplayLine {
    /// Its number in our journal; in a foreign file its place among the lines and elements that hold something, from 1.
    package let seq: Int64
    /// Where it stands in its file.
    package let place: LinePlace
    /// Without the line end, valid only during the call that hands it out.
    package let bytes: UnsafeRawBufferPointer
    /// Nil for a line that our journal did not receive.
    package let receivedAt: Timestamp?
    package let connection: Int64
    /// Whether the disk has changed the bytes since our journal received them.
    package let isDamaged: Bool
}

/// A file of lines: of our archive, which has numbers, or a foreign one.
package struct ReplayFile: Sendable {
    private enum Kind {
        case segment(Segment)
        case archived(first: Int64, receipts: String)
        case foreign
        case object(S3Object)
    }

    /// Bytes of the longest line, when nothing else is set: the default of X_LINE_LIMIT.
    package static let lineLimit = 4 << 20

    package let path: String
    /// As it is stored.
    package let bytes: Int64
    /// The journal that numbered its lines; nil for a foreign file.
    package let journal: (stream: String, id: String)?
    private let kind: Kind

    /// The files that a path names: a file, a folder of files, a stream's journal folder, or its archive; in order.
    ///
    /// - Throws: `ReplayError`: `operator` when there is none, or the disk fails.
    package static func list(_ path: String) throws(ReplayError) -> [ReplayFile] {
        let files: [ReplayFile]
        do {
            if let names = try? JournalFolder.names(path) {
                let archive = names.contains(JournalSource.archiveName) ? path + "/" + JournalSource.archiveName : nil
                files =
                    try (archive.map(inFolder) ?? [])
                    + (names.contains("journal.json") ? segments(path) : inFolder(path))
            } else {
                files = [try ReplayFile(path)]
            }
        } catch {
            throw ReplayError(error)
        }
        guard !files.isEmpty else {
            throw ReplayError(.operator(.settings), "\(path) \(noFiles)")
        }
        return files
    }

    static let noFiles = "has no JSON Lines file (.jsonl, .ndjson, .json, each also .gz)"

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
        // What is compressed otherwise is not passed over in silence: reading it names the remedy.
        let compressed = ["", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"]
        return [".jsonl", ".ndjson", ".json"].contains { form in compressed.contains { name.hasSuffix(form + $0) } }
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
    ///   - journals: from the manifest beside it, when it was read already.
    /// - Throws: `FileError` when it cannot be read; `ReplayError`: `operator` when it is a pipe or a device.
    package init(_ path: String, journals: [String: String]? = nil) throws {
        let parts = path.split(separator: "/")
        let folder = path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) : "."
        guard let size = try JournalFolder.size(path) else { throw FileError("open", path, code: ENOENT) }
        guard try isRegularFile(path) else {
            throw ReplayError(
                .operator(.settings),
                "\(path) is not a regular file: replay reads a source more than once. Save it as a file")
        }
        let file = parts.last.map(String.init) ?? path
        if let name = ArchiveName(file), try JournalFolder.size(folder + "/" + name.receipts) != nil {
            let listed = try journals ?? Self.journals(folder)
            if let id = listed[file]
                ?? parts.dropLast().last.map(String.init).flatMap({ JournalIdentity.isID($0) ? $0 : nil })
            {
                self.init(
                    path: path, bytes: size, journal: (name.stream, id),
                    kind: .archived(first: name.firstSeq, receipts: folder + "/" + name.receipts))
                return
            }
        }
        self.init(path: path, bytes: size, journal: nil, kind: .foreign)
    }

    /// An object of a bucket. It is ours when its name and its folder say so and its receipts lie beside it.
    init(_ object: S3Object) {
        let parts = object.key.split(separator: "/").map(String.init)
        var journal: (String, String)?
        if object.receipts != nil, let name = parts.last.flatMap(ArchiveName.init),
            let id = parts.dropLast().last, JournalIdentity.isID(id)
        {
            journal = (name.stream, id)
        }
        self.init(path: object.url, bytes: object.bytes, journal: journal, kind: .object(object))
    }

    /// Runs `body` with the file on this host: an object is fetched, and removed when `body` ends.
    ///
    /// - Throws: `ReplayError`: `wait` when S3 rejects a request, `operator` when the disk fails; what `body` throws.
    package func withLocal(_ body: (ReplayFile) throws -> Void) throws {
        guard case .object(let object) = kind else { return try body(self) }
        try object.withFile { path in try body(ReplayFile(path)) }
    }

    /// Bytes by which this file is known: the first and the last 64 KiB, as they are stored.
    ///
    /// - Throws: `ReplayError`: `operator` when the disk fails.
    package func sample() throws(ReplayError) -> [UInt8] {
        do {
            let file = try JournalFile(reading: path)
            var sample: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            for offset in [0, max(0, bytes - (1 << 16))] {
                let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe file.read(at: offset, into: $0) }
                sample += buffer[..<count]
            }
            return sample
        } catch { throw ReplayError(error) }
    }

    /// Hands out every line in order, and how many bytes of the stored file were read so far.
    ///
    /// - Parameters:
    ///   - lineLimit: bytes of the longest line.
    ///   - body: gets each line.
    /// - Throws: an error that says `reject` when the file is damaged, cut short, of a form that is not read, or has a longer
    ///   line; `ReplayError`: `operator` when the disk fails; what `body` throws.
    package func read(
        lineLimit: Int = lineLimit, _ body: (_ line: ReplayLine, _ position: Int64) throws -> Void
    ) throws {
        do {
            switch kind {
            case .segment(let segment): try read(segment, body)
            case .archived(let first, let receipts): try readArchived(from: first, receipts, lineLimit, body)
            case .foreign:
                var place: Int64 = 0
                try unsafe LineFile(path, limit: lineLimit, isForeign: true).read { bytes, at, position in
                    place += 1
                    try body(
                        unsafe ReplayLine(
                            seq: place, place: at, bytes: bytes, receivedAt: nil, connection: 0, isDamaged: false),
                        position)
                }
            case .object: try withLocal { try $0.read(lineLimit: lineLimit, body) }
            }
        } catch let error as FileError { throw ReplayError(error) }
    }

    private func readArchived(
        from first: Int64, _ receipts: String, _ limit: Int, _ body: (ReplayLine, Int64) throws -> Void
    ) throws {
        var book = try ReceiptBook(receipts)
        var seq = first
        try unsafe LineFile(path, limit: limit).read { bytes, at, position in
            let receipt = book.receipt(of: seq)
            try body(
                unsafe ReplayLine(
                    seq: seq, place: at, bytes: bytes, receivedAt: receipt?.at, connection: receipt?.connection ?? 0,
                    isDamaged: false),
                position)
            seq += 1
        }
    }

    private func read(_ segment: Segment, _ body: (ReplayLine, Int64) throws -> Void) throws {
        let last = try SegmentIndex(reading: segment).lastWhole(size: JournalFolder.size(segment.path) ?? 0)
        guard let last else { return }
        var reader = try SegmentReader(segment)
        let end = JournalTail.End(seq: last.endSeq, segment: segment.firstSeq, offset: last.endOffset)
        var position: Int64 = 0
        var place = LinePlace(line: 0)
        while try reader.read(
            limit: 1000, end: end,
            { line in
                place.line += 1
                position += unsafe Int64(line.bytes.count) + 1
                try body(
                    unsafe ReplayLine(
                        seq: line.seq, place: place, bytes: line.bytes, receivedAt: line.receivedAt,
                        connection: line.connection,
                        isDamaged: line.isDamaged),
                    position)
            }) > 0
        {}
    }
}

/// Whether a path leads to a regular file.
private func isRegularFile(_ path: String) throws(FileError) -> Bool {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { throw FileError("stat", path) }
    return status.st_mode & S_IFMT == S_IFREG
}
