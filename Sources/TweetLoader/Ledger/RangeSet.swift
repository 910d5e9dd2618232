/// Sets of sequence numbers: what is settled of a journal, or what is missing.
extension RangeSet<Int64> {
    /// Makes a set of numbers in any order, repeated or not; each is less than `Int64.max`.
    init(numbers: some Sequence<Int64>) {
        var ranges: [Range<Int64>] = []
        for number in numbers.sorted() {
            if let last = ranges.last, number <= last.upperBound {
                ranges[ranges.count - 1] = last.lowerBound..<Swift.max(last.upperBound, number + 1)
            } else {
                ranges.append(number..<number + 1)
            }
        }
        self.init(ranges)
    }

    /// Reads PostgreSQL's text form of an `int8multirange`, `{[1,5),[7,9)}`; nil for anything else.
    init?(multirange text: String) {
        guard text.hasPrefix("{"), text.hasSuffix("}") else { return nil }
        let numbers = text.dropFirst().dropLast().split(whereSeparator: { "[),".contains($0) })
        let bounds = numbers.compactMap { Int64($0) }
        guard bounds.count == numbers.count, bounds.count.isMultiple(of: 2) else { return nil }
        self.init()
        for index in stride(from: 0, to: bounds.count, by: 2) {
            guard bounds[index] < bounds[index + 1] else { return nil }
            insert(contentsOf: bounds[index]..<bounds[index + 1])
        }
    }

    /// PostgreSQL's text form of an `int8multirange`.
    var multirange: String {
        "{\(ranges.map { "[\($0.lowerBound),\($0.upperBound))" }.joined(separator: ","))}"
    }

    /// How many numbers it holds.
    var count: Int64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }

    /// The highest number; 0 when there is none, because sequence numbers begin with 1.
    var last: Int64 { ranges.last.map { $0.upperBound - 1 } ?? 0 }

    /// How many numbers it holds that are not below `bound`.
    func count(from bound: Int64) -> Int64 {
        ranges.reduce(0) { $0 + Swift.max(0, $1.upperBound - Swift.max($1.lowerBound, bound)) }
    }

    /// The numbers from 1 to `last` that it does not hold.
    var missing: RangeSet<Int64> { RangeSet(1..<Swift.max(1, last + 1)).subtracting(self) }

    /// For people: `1-4, 7, 9-12`, with at most 20 ranges.
    var listed: String {
        let parts = ranges.prefix(20).map { range in
            range.lowerBound == range.upperBound - 1
                ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound - 1)"
        }
        return parts.joined(separator: ", ") + (ranges.count > 20 ? ", … \(ranges.count - 20) more ranges" : "")
    }

    /// For programs: `[[1,4],[7,7]]`, first and last number of each range.
    var bounds: [[Int64]] { ranges.map { [$0.lowerBound, $0.upperBound - 1] } }
}
