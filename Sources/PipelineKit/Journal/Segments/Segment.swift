import Core

/// One file of the journal, named by the sequence number of its first line: `00000000000000000001.jsonl`.
///
/// Beside it lies its index, `00000000000000000001.idx`.
package struct Segment: Comparable, Sendable {
    let folder: String
    package let firstSeq: Int64

    private static let digits = 20

    init(folder: String, firstSeq: Int64) {
        self.folder = folder
        self.firstSeq = firstSeq
    }

    private var stem: String {
        let number = String(firstSeq)
        return folder + "/" + String(repeating: "0", count: Self.digits - number.utf8.count) + number
    }

    package var path: String { stem + ".jsonl" }
    var indexPath: String { stem + ".idx" }

    package static func < (left: Segment, right: Segment) -> Bool {
        left.firstSeq < right.firstSeq
    }

    /// Every plain segment of a folder, in the order of its lines. Other files are left alone.
    package static func list(_ folder: String) throws(FileError) -> [Segment] {
        try JournalFolder.names(folder).compactMap { name in
            guard name.hasSuffix(".jsonl"), name.utf8.count == digits + 6,
                let first = Int64(name.prefix(digits)), first > 0
            else { return nil }
            return Segment(folder: folder, firstSeq: first)
        }.sorted()
    }
}

/// The plain segments of a folder as one reader meets them, in order.
///
/// The folder is listed only when what was found before does not tell: a pass over many segments must not list them all
/// for each. A segment that has a follower keeps it, because new ones come at the end and old ones go at the beginning.
struct SegmentList {
    private let folder: String
    private var known: [Segment] = []
    /// How often the folder was listed.
    private(set) var listings = 0

    init(folder: String) {
        self.folder = folder
    }

    /// The last segment that begins at or before a line; nil when none does.
    mutating func segment(of seq: Int64) throws(FileError) -> Segment? {
        if let place = place(of: seq), place + 1 < known.count { return known[place] }
        try look()
        return place(of: seq).map { known[$0] }
    }

    /// The segment after another one; nil when that is the last.
    mutating func following(_ segment: Segment) throws(FileError) -> Segment? {
        if let place = place(of: segment.firstSeq), place + 1 < known.count { return known[place + 1] }
        try look()
        let next = place(of: segment.firstSeq).map { $0 + 1 } ?? 0
        return next < known.count ? known[next] : nil
    }

    /// Lists the folder again at the next request.
    mutating func forget() {
        known = []
    }

    private mutating func look() throws(FileError) {
        listings += 1
        known = try Segment.list(folder)
    }

    private func place(of seq: Int64) -> Int? {
        var (low, high) = (0, known.count)
        while low < high {
            let middle = (low + high) / 2
            if known[middle].firstSeq <= seq { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? low - 1 : nil
    }
}
