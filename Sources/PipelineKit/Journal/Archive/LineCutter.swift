import Core

/// Where a line, or an element of a JSON array, stands in a file.
package struct LinePlace: CustomStringConvertible, Sendable {
    /// From 1.
    package var line = 1
    /// From 1 in an array; nil outside.
    var element: Int?

    package var description: String { element.map { "element \($0)" } ?? "line \(line)" }

    package init(line: Int = 1, element: Int? = nil) {
        self.line = line
        self.element = element
    }
}

/// Cuts the bytes of a file into lines, and of foreign files JSON arrays into their elements, piece by piece.
///
/// Holds one line at a time, and of it no more than the limit.
struct LineCutter {
    private enum Part { case start, line, array, element }

    /// What ends the reading of a file.
    enum Problem: Error {
        case tooLong(LinePlace)
        /// The file ends before the array that begins in this line.
        case openArray(line: Int, elements: Int)
    }

    private let limit: Int
    private let opensArrays: Bool
    private var part: Part
    private var rest: [UInt8] = []
    private(set) var place = LinePlace()
    private var arrayLine = 1
    private var depth = 0
    private var isInString = false
    private var isEscaped = false

    /// - Parameters:
    ///   - limit: bytes of the longest line or element.
    ///   - opensArrays: whether lines without a value are passed over, and a line that begins with `[` is cut into the
    ///     array's elements, over as many lines as it has.
    init(limit: Int, opensArrays: Bool) {
        (self.limit, self.opensArrays) = (limit, opensArrays)
        part = opensArrays ? .start : .line
    }

    /// Cuts the next piece of the file; `give` gets each line without its end.
    ///
    /// - Throws: `Problem`, and what `give` throws.
    mutating func feed(
        _ chunk: UnsafeRawBufferPointer, _ give: (UnsafeRawBufferPointer, LinePlace) throws -> Void
    ) throws {
        var index = 0
        while index < chunk.count {
            switch part {
            case .start: index = unsafe passSpace(chunk, index)
            case .line: index = try unsafe takeLine(chunk, index, give)
            case .array: index = unsafe passCommas(chunk, index)
            case .element: index = try unsafe takeElement(chunk, index, give)
            }
        }
    }

    /// Ends the file; a last line needs no line end.
    mutating func finish(_ give: (UnsafeRawBufferPointer, LinePlace) throws -> Void) throws {
        switch part {
        case .start: break
        case .line: if !rest.isEmpty { try unsafe rest.withUnsafeBytes { try unsafe give($0, place) } }
        case .array, .element:
            let whole = (place.element ?? 0) - (part == .element ? 1 : 0)
            throw Problem.openArray(line: arrayLine, elements: whole)
        }
    }

    private mutating func passSpace(_ chunk: UnsafeRawBufferPointer, _ start: Int) -> Int {
        var index = start
        while index < chunk.count {
            switch unsafe chunk[index] {
            case UInt8(ascii: "\n"): place.line += 1
            // 0x1e precedes each text of a sequence (RFC 7464).
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), 0x1e: break
            case UInt8(ascii: "["):
                (part, arrayLine, place.element) = (.array, place.line, 0)
                return index + 1
            default:
                part = .line
                return index
            }
            index += 1
        }
        return index
    }

    private mutating func takeLine(
        _ chunk: UnsafeRawBufferPointer, _ start: Int, _ give: (UnsafeRawBufferPointer, LinePlace) throws -> Void
    ) throws -> Int {
        let left = unsafe UnsafeRawBufferPointer(rebasing: chunk[start...])
        guard let count = unsafe left.firstLineFeed else {
            try unsafe keep(left)
            return chunk.count
        }
        try unsafe giveLast(UnsafeRawBufferPointer(rebasing: left[..<count]), give)
        place.line += 1
        if opensArrays { part = .start }
        return start + count + 1
    }

    private mutating func passCommas(_ chunk: UnsafeRawBufferPointer, _ start: Int) -> Int {
        var index = start
        while index < chunk.count {
            switch unsafe chunk[index] {
            case UInt8(ascii: "\n"): place.line += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: ","): break
            case UInt8(ascii: "]"):
                (part, place.element) = (.start, nil)
                return index + 1
            default:
                place.element = (place.element ?? 0) + 1
                (part, depth, isInString, isEscaped) = (.element, 0, false, false)
                return index
            }
            index += 1
        }
        return index
    }

    private mutating func takeElement(
        _ chunk: UnsafeRawBufferPointer, _ start: Int, _ give: (UnsafeRawBufferPointer, LinePlace) throws -> Void
    ) throws -> Int {
        for index in start..<chunk.count {
            guard let end = unsafe end(at: index, chunk[index]) else { continue }
            try unsafe giveLast(UnsafeRawBufferPointer(rebasing: chunk[start..<end]), give)
            part = .array
            return end
        }
        try unsafe keep(UnsafeRawBufferPointer(rebasing: chunk[start...]))
        return chunk.count
    }

    /// Goes over one byte of an element; the place behind the element when it ends here.
    private mutating func end(at index: Int, _ byte: UInt8) -> Int? {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return nil
        }
        switch byte {
        case UInt8(ascii: "\""): isInString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            if depth == 0 { return index }
            depth -= 1
            if depth == 0 { return index + 1 }
        case UInt8(ascii: ",") where depth == 0: return index
        case UInt8(ascii: "\n"): place.line += 1
        default: break
        }
        return nil
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        guard rest.count + bytes.count <= limit else { throw .tooLong(place) }
        unsafe rest += bytes
    }

    /// Hands out what was kept and the last bytes. Line ends between an element's tokens become spaces.
    private mutating func giveLast(
        _ bytes: UnsafeRawBufferPointer, _ give: (UnsafeRawBufferPointer, LinePlace) throws -> Void
    ) throws {
        try unsafe keep(bytes)
        if part == .element {
            for index in rest.indices where rest[index] == 10 || rest[index] == 13 { rest[index] = 32 }
        }
        try unsafe rest.withUnsafeBytes { try unsafe give($0, place) }
        rest.removeAll(keepingCapacity: true)
    }
}
