/// A set of sequence numbers, kept as ranges: what is settled of a journal, or what is missing.
struct SequenceSet: Equatable {
    /// Half-open, ascending, with holes between them.
    private(set) var ranges: [Range<Int64>] = []

    /// Makes a set of numbers in any order, repeated or not.
    init(_ numbers: some Sequence<Int64>) {
        for number in numbers.sorted() {
            guard let last = ranges.last, number <= last.upperBound else {
                ranges.append(number..<number + 1)
                continue
            }
            ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, number + 1)
        }
    }

    /// All numbers of a range.
    init(_ range: ClosedRange<Int64>) {
        ranges = [range.lowerBound..<range.upperBound + 1]
    }

    private init(ranges: [Range<Int64>]) {
        self.ranges = ranges
    }

    /// Reads PostgreSQL's text form of an `int8multirange`: `{[1,5),[7,9)}`; nil for anything else.
    init?(multirange text: String) {
        guard text.hasPrefix("{"), text.hasSuffix("}") else { return nil }
        let numbers = text.dropFirst().dropLast().split(whereSeparator: { "[),".contains($0) })
        let bounds = numbers.compactMap { Int64($0) }
        guard bounds.count == numbers.count, bounds.count.isMultiple(of: 2) else { return nil }
        for index in stride(from: 0, to: bounds.count, by: 2) {
            guard bounds[index] < bounds[index + 1] else { return nil }
            ranges.append(bounds[index]..<bounds[index + 1])
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

    /// Whether it holds the number.
    func contains(_ number: Int64) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= number { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= number
    }

    /// The numbers of both.
    func union(_ other: SequenceSet) -> SequenceSet {
        var result: [Range<Int64>] = []
        for range in (ranges + other.ranges).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard let last = result.last, range.lowerBound <= last.upperBound else {
                result.append(range)
                continue
            }
            result[result.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
        }
        return SequenceSet(ranges: result)
    }

    /// Adds a number that is higher than all others.
    mutating func append(_ number: Int64) {
        if let last = ranges.last, last.upperBound == number {
            ranges[ranges.count - 1] = last.lowerBound..<number + 1
        } else {
            ranges.append(number..<number + 1)
        }
    }

    /// The numbers that only this set holds.
    func subtracting(_ other: SequenceSet) -> SequenceSet {
        var result: [Range<Int64>] = []
        var index = 0
        for range in ranges {
            var start = range.lowerBound
            while index < other.ranges.count, other.ranges[index].upperBound <= start { index += 1 }
            var next = index
            while next < other.ranges.count, other.ranges[next].lowerBound < range.upperBound {
                if start < other.ranges[next].lowerBound { result.append(start..<other.ranges[next].lowerBound) }
                start = max(start, other.ranges[next].upperBound)
                next += 1
            }
            if start < range.upperBound { result.append(start..<range.upperBound) }
        }
        return SequenceSet(ranges: result)
    }

    /// The numbers that both hold.
    func intersection(_ other: SequenceSet) -> SequenceSet { subtracting(subtracting(other)) }

    /// How many numbers it holds that are not below `bound`.
    func count(from bound: Int64) -> Int64 {
        ranges.reduce(0) { $0 + max(0, $1.upperBound - max($1.lowerBound, bound)) }
    }

    /// The numbers from 1 to `last` that it does not hold.
    var missing: SequenceSet {
        var next: Int64 = 1
        var holes: [Range<Int64>] = []
        for range in ranges {
            if next < range.lowerBound { holes.append(next..<range.lowerBound) }
            next = range.upperBound
        }
        return SequenceSet(ranges: holes)
    }
}

extension SequenceSet: Encodable {
    /// For programs: `[[1,4],[7,7]]`, first and last number of each range.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for range in ranges { try container.encode([range.lowerBound, range.upperBound - 1]) }
    }
}

extension SequenceSet: CustomStringConvertible {
    /// For people: `1-4, 7, 9-12`.
    var description: String {
        let parts = ranges.map { range in
            range.lowerBound == range.upperBound - 1
                ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound - 1)"
        }
        return parts.joined(separator: ", ")
    }

    /// For people, too, with at most 20 ranges: nobody reads hundreds.
    var shortened: String {
        let first = SequenceSet(ranges: Array(ranges.prefix(20)))
        return "\(first)" + (ranges.count > 20 ? ", … \(ranges.count - 20) more ranges" : "")
    }
}
