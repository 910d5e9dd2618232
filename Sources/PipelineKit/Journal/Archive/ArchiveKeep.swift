import Core

/// How much of the archive stays on this machine.
package enum ArchiveKeep: Sendable, Equatable {
    case all
    /// Segments whose first line is younger than this.
    case age(Duration)
    /// The newest segments, up to this many bytes as they are stored.
    case bytes(Int64)

    /// Reads `all`, `0`, a time such as `30d`, or a size such as `100GiB`; nil for anything else.
    package init?(setting text: String) {
        if text == "all" {
            self = .all
        } else if text == "0" {
            self = .bytes(0)
        } else if let age = Duration(span: text) {
            self = .age(age)
        } else if let bytes = parseByteCount(text), text.hasSuffix("B") {
            self = .bytes(Int64(bytes))
        } else {
            return nil
        }
    }
}

/// One archived segment, known by its name alone.
struct ArchivedSegment {
    let name: ArchiveName
    /// The name of the file with the lines.
    let file: String

    /// The segments of an archive folder, oldest first; a folder that is not there has none.
    static func list(_ folder: String) throws(FileError) -> [ArchivedSegment] {
        let names: [String]
        do { names = try JournalFolder.names(folder) } catch {
            if error.isMissingFile { return [] }
            throw error
        }
        return names.compactMap { file in ArchiveName(file).map { ArchivedSegment(name: $0, file: file) } }
            .sorted { $0.name.firstSeq < $1.name.firstSeq }
    }

    /// Bytes of both its files.
    func bytes(in folder: String) throws(FileError) -> Int64 {
        try (JournalFolder.size(folder + "/" + file) ?? 0) + (JournalFolder.size(folder + "/" + name.receipts) ?? 0)
    }
}

extension ArchiveKeep {
    /// Which of the archived segments, given oldest first, are not to be kept.
    func expired(
        _ segments: [ArchivedSegment], in folder: String, now: Timestamp
    ) throws(FileError) -> [ArchivedSegment] {
        switch self {
        case .all: return []
        case .age(let age):
            let oldest = now.advanced(by: .zero - age)
            return segments.filter { $0.name.begin < oldest }
        case .bytes(let limit):
            var total: Int64 = 0
            var kept = segments.count
            while kept > 0 {
                total += try segments[kept - 1].bytes(in: folder)
                if total > limit { break }
                kept -= 1
            }
            return Array(segments[..<kept])
        }
    }
}
