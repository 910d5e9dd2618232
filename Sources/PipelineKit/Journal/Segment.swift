/// One file of the journal, named by the sequence number of its first line: `00000000000000000001.jsonl`.
///
/// Beside it lies its index, `00000000000000000001.idx`.
struct Segment: Comparable, Sendable {
    let folder: String
    let firstSeq: Int64

    private static let digits = 20

    init(folder: String, firstSeq: Int64) {
        self.folder = folder
        self.firstSeq = firstSeq
    }

    private var stem: String {
        let number = String(firstSeq)
        return folder + "/" + String(repeating: "0", count: Self.digits - number.utf8.count) + number
    }

    var path: String { stem + ".jsonl" }
    var indexPath: String { stem + ".idx" }

    static func < (left: Segment, right: Segment) -> Bool {
        left.firstSeq < right.firstSeq
    }

    /// Every plain segment of a folder, in the order of its lines. Other files are left alone.
    static func list(_ folder: String) throws(FileError) -> [Segment] {
        try JournalFolder.names(folder).compactMap { name in
            guard name.hasSuffix(".jsonl"), name.utf8.count == digits + 6,
                let first = Int64(name.prefix(digits)), first > 0
            else { return nil }
            return Segment(folder: folder, firstSeq: first)
        }.sorted()
    }
}
