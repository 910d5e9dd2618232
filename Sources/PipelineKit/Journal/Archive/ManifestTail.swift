import Core

/// Follows a manifest that another thread appends to and occasionally replaces.
package struct ManifestTail: ~Copyable {
    private let path: String
    /// Kept open, so that no other file gets its number and is taken for it.
    private var file: JournalFile?
    private var offset: Int64 = 0

    package init(folder: String) {
        path = folder + "/" + Manifest.fileName
    }

    /// Hands out the entries that have come since the last call; a line that is no entry is passed over.
    ///
    /// - Parameters:
    ///   - begin: called before the entries of another file than that of the last call, from its beginning.
    ///   - body: takes an entry.
    /// - Throws: `FileError` when the manifest cannot be read.
    package mutating func read(begin: () -> Void, entry body: (ManifestEntry) -> Void) throws(FileError) {
        let current: JournalFile
        if let kept = file.take(), kept.isStillNamed() {
            current = kept
        } else {
            guard try JournalFolder.size(path) != nil else { return }
            current = try JournalFile(reading: path)
            offset = 0
            begin()
        }
        let bytes = try Self.bytes(of: current, from: offset)
        file = consume current
        guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return }
        for line in bytes[...end].split(separator: UInt8(ascii: "\n")) {
            if let entry = ManifestEntry(line: line) { body(entry) }
        }
        offset += Int64(end) + 1
    }

    private static func bytes(of file: borrowing JournalFile, from start: Int64) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(max(0, try file.status().size - start)))
        let count = try unsafe bytes.withMutableBytes { (buffer) throws(FileError) in
            try unsafe file.read(at: start, into: buffer)
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
