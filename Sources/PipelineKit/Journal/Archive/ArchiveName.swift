import Core

/// The name of an archived segment: stream, time of its first line (UTC), first sequence number, so that names sort
/// by time: `default-20261121T081530Z-00000000000000000001.jsonl.gz`.
package struct ArchiveName: Sendable, Equatable {
    package let stream: String
    /// When the segment's first line was received, in whole seconds.
    let begin: Timestamp
    package let firstSeq: Int64

    init(stream: String, begin: Timestamp, firstSeq: Int64) {
        self.stream = stream
        self.begin = Timestamp(milliseconds: begin.milliseconds / 1000 * 1000)
        self.firstSeq = firstSeq
    }

    private static let plainEnding = ".jsonl"
    private static let receiptsEnding = ".receipts.jsonl.gz"

    private var stem: String {
        let time = begin.description.prefix(19).filter { $0 != "-" && $0 != ":" }
        let number = String(firstSeq)
        return "\(stream)-\(time)Z-" + String(repeating: "0", count: 20 - number.utf8.count) + number
    }

    /// The file with the lines.
    func lines(isCompressed: Bool) -> String { stem + Self.plainEnding + (isCompressed ? ".gz" : "") }

    /// The file with what the lines do not hold: when, and on which connection, they were received.
    package var receipts: String { stem + Self.receiptsEnding }

    /// Reads the name of a file with lines; nil for every other file.
    package init?(_ name: String) {
        guard !name.hasSuffix(Self.receiptsEnding) else { return nil }
        let ending = [Self.plainEnding, Self.plainEnding + ".gz"].first { name.hasSuffix($0) }
        guard let ending else { return nil }
        let parts = name.dropLast(ending.count).split(separator: "-")
        guard parts.count >= 3, let number = parts.last, number.utf8.count == 20, let firstSeq = Int64(number) else {
            return nil
        }
        let digits = Array(parts[parts.count - 2])
        guard digits.count == 16, digits[8] == "T", digits[15] == "Z" else { return nil }
        let text =
            "\(String(digits[0..<4]))-\(String(digits[4..<6]))-\(String(digits[6..<8]))T"
            + "\(String(digits[9..<11])):\(String(digits[11..<13])):\(String(digits[13..<15]))Z"
        guard let begin = Timestamp(text) else { return nil }
        self.init(stream: parts.dropLast(2).joined(separator: "-"), begin: begin, firstSeq: firstSeq)
    }
}
