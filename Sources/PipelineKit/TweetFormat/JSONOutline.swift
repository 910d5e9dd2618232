import CSimdJSON
import Glibc

/// Where the parts of a document begin, for who wants a few of its members and not to pay for a parse of all.
///
/// A place is a number in this outline: of a bracket, brace, colon, comma, or the beginning of a string or other scalar. Only
/// the way that is walked is checked: what is passed over may be no JSON at all.
///
/// Safe because an outline stays inside the function that asked for it, simdjson guarantees that its offsets lie within the
/// document, and every place is compared with their count.
@safe struct JSONOutline {
    private let document: UnsafeRawBufferPointer
    private let starts: UnsafeBufferPointer<UInt32>

    /// A member's name as it stands in the document, without escapes.
    @safe struct Name {
        fileprivate let bytes: UnsafeRawBufferPointer

        static func ~= (text: StaticString, name: Name) -> Bool {
            let bytes = unsafe name.bytes
            guard bytes.count == text.utf8CodeUnitCount, let start = bytes.baseAddress else { return false }
            return unsafe memcmp(start, text.utf8Start, bytes.count) == 0
        }
    }

    /// The place of the document's outermost value.
    static let root = 0

    init(_ outline: simdjson_outline, of document: UnsafeRawBufferPointer) {
        unsafe self.document = document
        unsafe starts = UnsafeBufferPointer(start: outline.starts, count: outline.count)
    }

    /// Whether a place lies behind everything.
    func isEnd(_ place: Int) -> Bool { unsafe place == starts.count }

    /// The byte that begins at a place; 0 behind the end.
    subscript(place: Int) -> UInt8 {
        unsafe place < starts.count ? document[Int(starts[place])] : 0
    }

    /// The place behind the value that begins at `place`; nil where no value begins, or its brackets do not close.
    func end(of place: Int) -> Int? {
        switch self[place] {
        case UInt8(ascii: "{"), UInt8(ascii: "["): closing(place)
        case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ":"), UInt8(ascii: ","), 0: nil
        default: place + 1
        }
    }

    private func closing(_ place: Int) -> Int? {
        var (depth, place) = (0, place)
        while unsafe place < starts.count {
            // A brace and a bracket differ in this one bit.
            let byte = unsafe document[Int(starts[place])] | 0x20
            depth += (byte == UInt8(ascii: "{") ? 1 : 0) - (byte == UInt8(ascii: "}") ? 1 : 0)
            place += 1
            if depth == 0 { return place }
        }
        return nil
    }

    /// Walks over the members of an object, in their order.
    ///
    /// - Parameters:
    ///   - place: where the object begins.
    ///   - body: gets each member's name and its value's place, and says whether to go on.
    /// - Returns: the place behind the object; nil when it is none, when a name has an escape, or when `body` said no.
    @inline(__always)
    func members(of place: Int, _ body: (_ name: Name, _ value: Int) -> Bool) -> Int? {
        walk(place, from: UInt8(ascii: "{"), to: UInt8(ascii: "}")) { place in
            guard self[place] == UInt8(ascii: "\""), self[place + 1] == UInt8(ascii: ":"),
                let name = name(at: place), body(name, place + 2)
            else { return nil }
            return end(of: place + 2)
        }
    }

    /// Walks over the values of an array, in their order; like `members`.
    @inline(__always)
    func elements(of place: Int, _ body: (_ value: Int) -> Bool) -> Int? {
        walk(place, from: UInt8(ascii: "["), to: UInt8(ascii: "]")) { place in body(place) ? end(of: place) : nil }
    }

    /// Walks from item to item, up to the closing bracket. `item` gets where one begins, and returns the place behind it, or
    /// nil to stop.
    @inline(__always)
    private func walk(_ place: Int, from opening: UInt8, to closing: UInt8, _ item: (Int) -> Int?) -> Int? {
        guard self[place] == opening else { return nil }
        var place = place + 1
        if self[place] == closing { return place + 1 }
        while let end = item(place) {
            place = end + 1
            if self[end] == closing { return place }
            guard self[end] == UInt8(ascii: ",") else { return nil }
        }
        return nil
    }

    /// The bytes of the name that begins at `place`, before a colon; nil when it has an escape.
    private func name(at place: Int) -> Name? {
        let start = unsafe Int(starts[place]) + 1
        var end = unsafe Int(starts[place + 1]) - 1
        while end >= start, unsafe document[end] != UInt8(ascii: "\"") { end -= 1 }
        guard end >= start, let base = unsafe document.baseAddress,
            unsafe memchr(base + start, Int32(UInt8(ascii: "\\")), end - start) == nil
        else { return nil }
        return unsafe Name(bytes: UnsafeRawBufferPointer(rebasing: document[start..<end]))
    }

    /// The id that the string at `place` holds: 1 to 19 digits, not beyond `Int64`; nil for anything else.
    func id(at place: Int) -> Int64? {
        guard self[place] == UInt8(ascii: "\"") else { return nil }
        var offset = unsafe Int(starts[place]) + 1
        let first = offset
        var value: UInt64 = 0
        while unsafe offset < document.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(document[offset]) {
            guard offset - first < 19 else { return nil }
            value = unsafe value * 10 + UInt64(document[offset] - UInt8(ascii: "0"))
            offset += 1
        }
        guard offset > first, unsafe offset < document.count && document[offset] == UInt8(ascii: "\"") else {
            return nil
        }
        return Int64(exactly: value)
    }
}
