import Core

/// What the lines of a manifest come to: what is here, and which numbers are not here any more.
struct ManifestSummary {
    /// Archived segments that were not removed, by the name of the file with the lines.
    private(set) var archived: [String: ManifestEntry] = [:]
    /// The entry that records the removal of a file.
    private(set) var removed: [String: ManifestEntry] = [:]
    /// All removed and dropped numbers, an entry for each run, in their order.
    private(set) var gone: [ManifestEntry] = []
    /// Whether there are lines that are no entry of this journal.
    private(set) var hasForeignLines = false

    /// Reads the manifest of an archive folder.
    ///
    /// - Throws: `FileError` when it cannot be read.
    init(folder: String) throws {
        var entries: [ManifestEntry] = []
        try Manifest.read(folder: folder) { _, entry in
            if let entry { entries.append(entry) } else { hasForeignLines = true }
        }
        for entry in entries {
            if entry.journal != entries[0].journal { hasForeignLines = true }
            guard entry.event == .archived else {
                gone.append(entry)
                if let file = entry.file { (archived[file], removed[file]) = (nil, entry) }
                continue
            }
            if let file = entry.file { (archived[file], removed[file]) = (entry, nil) } else { hasForeignLines = true }
        }
        gone = Self.joiningAdjacent(gone)
    }

    /// The entries by number; those of one kind whose numbers follow each other are one.
    private static func joiningAdjacent(_ entries: [ManifestEntry]) -> [ManifestEntry] {
        var joined: [ManifestEntry] = []
        for entry in entries.sorted(by: { $0.firstSeq < $1.firstSeq }) {
            guard let last = joined.last, last.event == entry.event, entry.firstSeq <= last.lastSeq + 1 else {
                joined.append(entry)
                continue
            }
            var run = last
            run.lastSeq = max(last.lastSeq, entry.lastSeq)
            run.at = max(last.at, entry.at)
            run.file = nil
            joined[joined.count - 1] = run
        }
        return joined
    }

    /// Whether all these numbers were removed after Kafka had them.
    func isRemoved(_ seqs: ClosedRange<Int64>) -> Bool {
        gone.contains { $0.event == .removed && $0.firstSeq <= seqs.lowerBound && $0.lastSeq >= seqs.upperBound }
    }
}

extension Manifest {
    /// A shorter manifest is worth its writing from this size on.
    package static let shortestToShorten: Int64 = 16 << 10

    /// Replaces a manifest by one with the same content in fewer lines: numbers of removed segments are listed in
    /// runs, without the files that they were in. What is here keeps its line.
    ///
    /// A manifest with unknown lines stays unchanged, for `journal verify` to name them; so does the line
    /// of a file that is said to be removed and is still there.
    ///
    /// - Returns: how many bytes shorter it is.
    /// - Throws: `FileError` when the disk refuses; the old one is there then.
    static func shorten(folder: String) throws -> Int64 {
        let summary = try ManifestSummary(folder: folder)
        guard !summary.hasForeignLines, let before = try JournalFolder.size(folder + "/" + fileName) else { return 0 }
        var text = ""
        for entry in summary.gone {
            var run = entry
            run.file = nil
            text += run.line
        }
        for (file, entry) in summary.removed where try JournalFolder.size(folder + "/" + file) != nil {
            text += entry.line
        }
        for entry in summary.archived.values.sorted(by: { $0.firstSeq < $1.firstSeq }) { text += entry.line }
        let saved = before - Int64(text.utf8.count)
        guard saved > before / 4 else { return 0 }
        try JournalFolder.replace(fileName, in: folder, with: text, at: .shorten)
        return saved
    }
}
