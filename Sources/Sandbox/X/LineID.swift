/// Finds the tweet id in a stream line: the string member `id` of the top-level object `data`.
///
/// The judge's own reader, on purpose not the pipeline's: both would share a mistake.
enum LineID {
    /// The id, or nil when the line is no tweet.
    static func find(in line: [UInt8]) -> Int64? {
        var scanner = Scanner(line)
        guard let data = scanner.member("data") else { return nil }
        scanner.place = data
        guard let id = scanner.member("id"), line[id] == UInt8(ascii: "\"") else { return nil }
        let digits = line[(id + 1)...].prefix { (48...57).contains($0) }
        guard line[(id + 1 + digits.count)...].first == UInt8(ascii: "\"") else { return nil }
        return Int64(String(decoding: digits, as: UTF8.self))
    }

    private struct Scanner {
        let line: [UInt8]
        var place = 0

        init(_ line: [UInt8]) {
            self.line = line
        }

        /// From an object's brace on, the place of the value of its member `name`; nil when there is none.
        mutating func member(_ name: String) -> Int? {
            guard take(UInt8(ascii: "{")) else { return nil }
            while let key = string() {
                guard take(UInt8(ascii: ":")) else { return nil }
                skipSpace()
                if key == Array(name.utf8) { return place }
                guard skipValue(), take(UInt8(ascii: ",")) else { return nil }
            }
            return nil
        }

        private mutating func skipSpace() {
            while place < line.count, [9, 10, 13, 32].contains(line[place]) { place += 1 }
        }

        private mutating func take(_ byte: UInt8) -> Bool {
            skipSpace()
            guard place < line.count, line[place] == byte else { return false }
            place += 1
            return true
        }

        /// A string's bytes between the quotes, escapes as they are.
        private mutating func string() -> [UInt8]? {
            guard take(UInt8(ascii: "\"")) else { return nil }
            let start = place
            while place < line.count, line[place] != UInt8(ascii: "\"") {
                place += line[place] == UInt8(ascii: "\\") ? 2 : 1
            }
            guard place < line.count else { return nil }
            place += 1
            return Array(line[start..<(place - 1)])
        }

        private mutating func skipValue() -> Bool {
            var depth = 0
            skipSpace()
            while place < line.count {
                switch line[place] {
                case UInt8(ascii: "\""): if string() == nil { return false }
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    depth += 1
                    place += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return true }
                    depth -= 1
                    place += 1
                case UInt8(ascii: ",") where depth == 0: return true
                default: place += 1
                }
            }
            return false
        }
    }
}
