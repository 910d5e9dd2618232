import Glibc

/// Repairs a JSON line whose text PostgreSQL or simdjson cannot hold, so that the tweet is a row all the same.
///
/// Everything that is no Unicode text becomes U+FFFD, the replacement character; the structure is left as it is.
/// A whole line is repaired, not one field: what PostgreSQL's `jsonb` refuses, it refuses anywhere in the document.
package enum CleanText {
    /// What was altered in a line.
    package struct Alterations: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// Bytes that are not UTF-8 (RFC 3629) became U+FFFD, one for each maximal part of a sequence (Unicode 3.9).
        package static let invalidUTF8 = Alterations(rawValue: 1)
        /// A `\uD800`…`\uDFFF` escape without its other half became `\ufffd`.
        package static let loneSurrogate = Alterations(rawValue: 2)
        /// A `\u0000` escape or a raw NUL byte became U+FFFD: PostgreSQL's text cannot hold it.
        package static let nul = Alterations(rawValue: 4)
        /// A raw control character inside a string was escaped; the text itself is what it was.
        package static let controlCharacter = Alterations(rawValue: 8)
        /// The byte order mark before the line was dropped.
        package static let byteOrderMark = Alterations(rawValue: 16)
    }

    /// Whether a line that simdjson accepts would still be refused by PostgreSQL: it has a `\u0000` escape or, with
    /// newer versions of simdjson, a byte order mark.
    ///
    /// Goes from escape to escape, so that `\\u0000`, a backslash and digits, is distinguished.
    static func isSuspicious(_ line: UnsafeRawBufferPointer) -> Bool {
        guard let start = line.baseAddress else { return false }
        if unsafe line.starts(with: byteOrderMark) { return true }
        var offset = 0
        while offset + 6 <= line.count,
            let found = unsafe memchr(start + offset, Int32(UInt8(ascii: "\\")), line.count - offset)
        {
            offset = unsafe UnsafeRawPointer(found) - start
            if unsafe offset + 6 <= line.count && memcmp(start + offset, nulEscape, 6) == 0 { return true }
            offset += 2
        }
        return false
    }

    /// Writes the repaired line to `output`, whose old content is dropped, and says what was altered.
    ///
    /// A line that needs no repair is copied as it is, with no alterations. Cleaning a cleaned line alters nothing.
    package static func clean(_ line: UnsafeRawBufferPointer, into output: inout [UInt8]) -> Alterations {
        output.removeAll(keepingCapacity: true)
        output.reserveCapacity(line.count + line.count / 8)
        var cleaner = unsafe Cleaner(line: line, output: consume output)
        cleaner.run()
        output = cleaner.output
        return cleaner.alterations
    }

    fileprivate static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    private static let nulEscape: [UInt8] = Array(#"\u0000"#.utf8)
}

/// One pass over a line, string by string.
@safe private struct Cleaner {
    let line: UnsafeRawBufferPointer
    var output: [UInt8]
    var alterations: CleanText.Alterations = []
    private var position = 0

    init(line: UnsafeRawBufferPointer, output: consuming [UInt8]) {
        unsafe self.line = line
        self.output = output
    }

    mutating func run() {
        while unsafe line.dropFirst(position).starts(with: CleanText.byteOrderMark) {
            alterations.insert(.byteOrderMark)
            position += 3
        }
        var isInString = false
        while unsafe position < line.count {
            let byte = unsafe line[position]
            switch byte {
            case UInt8(ascii: "\""):
                isInString.toggle()
                copy(1)
            case UInt8(ascii: "\\") where isInString: escape()
            case 0 where isInString: replace(1, .nul)
            case 1..<0x20 where isInString: escapeControl(byte)
            case 0..<0x80: copy(plainBytes)
            default: sequence()
            }
        }
    }

    /// How many bytes from here on stay as they are and end no string: this one, and those that it begins a run of.
    private var plainBytes: Int {
        var end = position + 1
        while unsafe end < line.count, unsafe Self.isPlain(line[end]) { end += 1 }
        return end - position
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x20..<0x80).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private mutating func copy(_ count: Int) {
        // As one piece of memory: Swift 6.3 copies a slice of a raw buffer byte by byte.
        unsafe output.append(
            contentsOf: UnsafeRawBufferPointer(rebasing: line[position..<min(position + count, line.count)]))
        position += count
    }

    private mutating func replace(_ count: Int, _ reason: CleanText.Alterations) {
        output.append(contentsOf: [0xEF, 0xBF, 0xBD])
        position += count
        alterations.insert(reason)
    }

    private mutating func escapeControl(_ byte: UInt8) {
        output.append(contentsOf: #"\u00"#.utf8)
        output.append(contentsOf: [48 + byte >> 4, byte & 15 < 10 ? 48 + byte & 15 : 87 + byte & 15])
        position += 1
        alterations.insert(.controlCharacter)
    }

    /// A backslash and what belongs to it.
    private mutating func escape() {
        guard let unit = escapedUnit(at: position) else {
            // What follows a backslash by mistake may be a sequence of several bytes, which is not to be cut.
            let isASCII = unsafe position + 1 < line.count && line[position + 1] < 0x80
            return copy(isASCII ? 2 : 1)
        }
        switch unit {
        case 0: replaceEscape(.nul)
        case 0xD800..<0xDC00:
            if let second = escapedUnit(at: position + 6), (0xDC00..<0xE000).contains(second) {
                copy(12)
            } else {
                replaceEscape(.loneSurrogate)
            }
        case 0xDC00..<0xE000: replaceEscape(.loneSurrogate)
        default: copy(6)
        }
    }

    private mutating func replaceEscape(_ reason: CleanText.Alterations) {
        output.append(contentsOf: #"\ufffd"#.utf8)
        position += 6
        alterations.insert(reason)
    }

    /// The UTF-16 unit of the `\uXXXX` at that place, or nil when there is none.
    private func escapedUnit(at start: Int) -> UInt16? {
        guard
            unsafe start + 6 <= line.count && line[start] == UInt8(ascii: "\\") && line[start + 1] == UInt8(ascii: "u")
        else { return nil }
        var unit: UInt16 = 0
        for index in start + 2..<start + 6 {
            guard let digit = unsafe Character(UnicodeScalar(line[index])).hexDigitValue else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    /// A byte beyond ASCII and the continuation bytes that belong to it (The Unicode Standard, table 3-7).
    private mutating func sequence() {
        let (length, second) = Self.expectation(of: unsafe line[position])
        guard length > 1 else { return replace(1, .invalidUTF8) }
        var valid = 1
        while unsafe valid < length && position + valid < line.count
            && (valid == 1 ? second : 0x80...0xBF).contains(line[position + valid])
        {
            valid += 1
        }
        valid == length ? copy(length) : replace(valid, .invalidUTF8)
    }

    /// How long a sequence with that first byte is, and what its second byte may be; length 1: no sequence begins so.
    private static func expectation(of byte: UInt8) -> (length: Int, second: ClosedRange<UInt8>) {
        switch byte {
        case 0xC2...0xDF: (2, 0x80...0xBF)
        case 0xE0: (3, 0xA0...0xBF)
        case 0xED: (3, 0x80...0x9F)
        case 0xE1...0xEF: (3, 0x80...0xBF)
        case 0xF0: (4, 0x90...0xBF)
        case 0xF1...0xF3: (4, 0x80...0xBF)
        case 0xF4: (4, 0x80...0x8F)
        default: (1, 0x80...0xBF)
        }
    }
}
