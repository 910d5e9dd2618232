/// Markup. Literals are written as they are; what is put into them is escaped, unless it is markup itself.
///
/// `HTML("<td>\(name)</td>")` is the only way for a text into a page. It is escaped over its UTF-8 and never by `Character`: a
/// quotation mark and a combining mark after it are one `Character`, which is not `"`.
struct HTML: ExpressibleByStringInterpolation, Equatable, Sendable {
    private(set) var bytes: [UInt8]

    /// The markup as text.
    var text: String { String(decoding: bytes, as: UTF8.self) }

    init() { bytes = [] }

    init(stringLiteral value: String) { bytes = Array(value.utf8) }

    init(stringInterpolation: StringInterpolation) { bytes = stringInterpolation.bytes }

    /// A text, with whatever HTML gives a meaning escaped, and characters that turn or hide text made visible.
    ///
    /// - Parameter text: any text.
    init(text: some StringProtocol) { bytes = Self.escaped(text.utf8, showsControls: true) }

    /// A text of users, which has a direction of its own.
    ///
    /// - Parameter text: any text.
    /// - Returns: an element around it.
    static func foreign(_ text: some StringProtocol) -> HTML { "<bdi dir=\"auto\">\(HTML(text: text))</bdi>" }

    static func + (left: HTML, right: HTML) -> HTML {
        var both = left
        both.bytes += right.bytes
        return both
    }

    static func += (left: inout HTML, right: HTML) { left.bytes += right.bytes }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate(set) var bytes: [UInt8] = []

        init(literalCapacity: Int, interpolationCount: Int) { bytes.reserveCapacity(literalCapacity * 2) }

        mutating func appendLiteral(_ literal: String) { bytes += Array(literal.utf8) }

        mutating func appendInterpolation(_ markup: HTML) { bytes += markup.bytes }

        mutating func appendInterpolation(_ text: some StringProtocol) {
            bytes += HTML.escaped(text.utf8, showsControls: true)
        }

        /// A text for an attribute in quotation marks, which keeps it as it is.
        mutating func appendInterpolation(value text: String) {
            bytes += HTML.escaped(text.utf8, showsControls: false)
        }

        mutating func appendInterpolation(_ number: some BinaryInteger) { bytes += Array(String(number).utf8) }
    }

    /// Escapes a text byte by byte.
    ///
    /// - Parameters:
    ///   - text: UTF-8.
    ///   - showsControls: whether control characters and those that change the direction of text are written as `[U+202E]`.
    /// - Returns: UTF-8 without any of `& < > " '` but in references.
    private static func escaped(_ text: some Sequence<UInt8>, showsControls: Bool) -> [UInt8] {
        var result: [UInt8] = []
        let bytes = Array(text)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if let reference = reference(byte) {
                result += reference
            } else if showsControls, let (scalar, length) = control(bytes[index...]) {
                result += Array("[U+\(hex(scalar))]".utf8)
                index += length - 1
            } else if byte < 0x20 && byte != 0x09 && byte != 0x0a && byte != 0x0d || byte == 0x7f {
                // HTML has no such character.
                result += Array("\u{FFFD}".utf8)
            } else {
                result.append(byte)
            }
            index += 1
        }
        return result
    }

    private static func reference(_ byte: UInt8) -> [UInt8]? {
        switch byte {
        case UInt8(ascii: "&"): Array("&amp;".utf8)
        case UInt8(ascii: "<"): Array("&lt;".utf8)
        case UInt8(ascii: ">"): Array("&gt;".utf8)
        case UInt8(ascii: "\""): Array("&quot;".utf8)
        case UInt8(ascii: "'"): Array("&#39;".utf8)
        default: nil
        }
    }

    /// The control character or the one that changes direction that bytes begin with (Unicode, "Bidi_Control"), and its length.
    private static func control(_ bytes: ArraySlice<UInt8>) -> (scalar: UInt32, length: Int)? {
        let (first, second, third) = (
            bytes[bytes.startIndex], bytes.dropFirst().first ?? 0, bytes.dropFirst(2).first ?? 0
        )
        switch (first, second, third) {
        case (0x09, _, _), (0x0a, _, _): return nil
        case (0..<0x20, _, _), (0x7f, _, _): return (UInt32(first), 1)
        // U+0080 to U+009F.
        case (0xc2, 0x80...0x9f, _): return (UInt32(second), 2)
        case (0xd8, 0x9c, _): return (0x061c, 2)
        case (0xe2, 0x80, 0x8e...0x8f), (0xe2, 0x80, 0xaa...0xae): return (0x2000 + UInt32(third & 0x3f), 3)
        case (0xe2, 0x81, 0xa6...0xa9): return (0x2040 + UInt32(third & 0x3f), 3)
        default: return nil
        }
    }

    private static func hex(_ scalar: UInt32) -> String {
        let digits = String(scalar, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}

extension Sequence<HTML> {
    /// All of them, one after the other.
    func joined(_ separator: HTML = "") -> HTML {
        var (result, isFirst) = (HTML(), true)
        for part in self {
            if !isFirst { result += separator }
            result += part
            isFirst = false
        }
        return result
    }
}
