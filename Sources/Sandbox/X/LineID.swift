/// Finds the tweet id in a stream line: the string member `id` of the top-level object `data`.
enum LineID {
    /// The id, or nil when the line is no tweet.
    static func find(in line: [UInt8]) -> Int64? {
        let scanner = JSONScanner(line)
        guard let data = scanner.member("data"), let id = JSONScanner(Array(line[data])).member("id"),
            line[data.lowerBound + id.lowerBound] == UInt8(ascii: "\"")
        else { return nil }
        let text = line[(data.lowerBound + id.lowerBound + 1)..<(data.lowerBound + id.upperBound - 1)]
        guard !text.isEmpty, text.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(String(decoding: text, as: UTF8.self))
    }
}

/// Finds the parts of a JSON text without changing a byte of them.
///
/// The judge's own reader, on purpose not the pipeline's: both would share a mistake. It does not check the text.
struct JSONScanner {
    let bytes: [UInt8]
    private var place = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Where the value of an object's first member with a name stands; nil when there is none, or no object.
    func member(_ name: String) -> Range<Int>? {
        let wanted = Array(name.utf8)
        var found: Range<Int>?
        var scanner = self
        scanner.walkMembers { key, value in
            if key == wanted { found = value }
            return found == nil
        }
        return found
    }

    /// The members of an object, as far as it is one.
    var members: [(name: String, value: [UInt8])] {
        var found: [(String, [UInt8])] = []
        var scanner = self
        scanner.walkMembers { key, value in
            found.append((String(decoding: key, as: UTF8.self), Array(bytes[value])))
            return true
        }
        return found
    }

    /// The elements of an array, as far as it is one.
    var elements: [[UInt8]] {
        var found: [[UInt8]] = []
        var scanner = self
        guard scanner.take(UInt8(ascii: "[")) else { return [] }
        while let value = scanner.value() {
            found.append(Array(bytes[value]))
            guard scanner.take(UInt8(ascii: ",")) else { break }
        }
        return found
    }

    private mutating func walkMembers(_ body: (_ key: [UInt8], _ value: Range<Int>) -> Bool) {
        guard take(UInt8(ascii: "{")) else { return }
        while let key = string() {
            guard take(UInt8(ascii: ":")), let value = value(), body(key, value), take(UInt8(ascii: ",")) else {
                return
            }
        }
    }

    private mutating func skipSpace() {
        while place < bytes.count, [9, 10, 13, 32].contains(bytes[place]) { place += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard place < bytes.count, bytes[place] == byte else { return false }
        place += 1
        return true
    }

    /// A string's bytes between the quotes, escapes as they are.
    private mutating func string() -> [UInt8]? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        let start = place
        while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
            place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard place < bytes.count else { return nil }
        place += 1
        return Array(bytes[start..<(place - 1)])
    }

    /// The next value, up to the comma or bracket that ends it; nil when there is none.
    private mutating func value() -> Range<Int>? {
        var depth = 0
        skipSpace()
        let start = place
        var end = place
        while place < bytes.count {
            switch bytes[place] {
            case UInt8(ascii: "\""): if string() == nil { return nil }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                place += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return end > start ? start..<end : nil }
                depth -= 1
                place += 1
            case UInt8(ascii: ",") where depth == 0: return end > start ? start..<end : nil
            case 9, 10, 13, 32:
                place += 1
                continue
            default: place += 1
            }
            end = place
        }
        return nil
    }
}
