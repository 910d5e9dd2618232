import CSimdJSON
import Glibc

/// One value of a parsed document: a place on simdjson's tape.
///
/// Reading walks the tape itself; no tree is built and no `String` is made. A node of the wrong kind answers nil or
/// an empty sequence, so that odd data needs no special case. The layout is that of simdjson's `doc/tape.md`.
///
/// Safe because nodes stay inside the function that parsed: the tape belongs to the parser and is overwritten by its
/// next parse, and simdjson guarantees that the tape and its string offsets are consistent.
@safe package struct JSONNode {
    private let tape: UnsafePointer<UInt64>
    private let strings: UnsafePointer<UInt8>
    /// The node's place on the tape; 0 is the document's own root word and never a value.
    package let index: Int

    /// The outermost value of a document.
    package init(rootOf document: simdjson_document) {
        unsafe tape = document.tape
        unsafe strings = document.strings
        index = 1
    }

    private init(_ node: JSONNode, index: Int) {
        unsafe tape = node.tape
        unsafe strings = node.strings
        self.index = index
    }

    /// Another value of the same document.
    package func node(at index: Int) -> JSONNode { JSONNode(self, index: index) }

    private var word: UInt64 { unsafe tape[index] }
    private var tag: UInt8 { UInt8(truncatingIfNeeded: word >> 56) }

    package var isObject: Bool { tag == UInt8(ascii: "{") }
    package var isArray: Bool { tag == UInt8(ascii: "[") }
    package var isNull: Bool { tag == UInt8(ascii: "n") }

    /// The place after this value: behind the closing bracket of an object or array.
    fileprivate var next: Int {
        switch tag {
        case UInt8(ascii: "{"), UInt8(ascii: "["): Int(truncatingIfNeeded: word & 0xFFFF_FFFF)
        case UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "d"): index + 2
        default: index + 1
        }
    }

    package var bool: Bool? {
        switch tag {
        case UInt8(ascii: "t"): true
        case UInt8(ascii: "f"): false
        default: nil
        }
    }

    /// A number without fraction or exponent that fits; simdjson distinguishes those beyond `Int64`.
    package var integer: Int64? {
        tag == UInt8(ascii: "l") ? unsafe Int64(bitPattern: tape[index + 1]) : nil
    }

    /// Any number.
    package var double: Double? {
        switch tag {
        case UInt8(ascii: "d"): unsafe Double(bitPattern: tape[index + 1])
        case UInt8(ascii: "l"): unsafe Double(Int64(bitPattern: tape[index + 1]))
        case UInt8(ascii: "u"): unsafe Double(tape[index + 1])
        default: nil
        }
    }

    package var string: JSONString? {
        guard tag == UInt8(ascii: "\"") else { return nil }
        let start = unsafe strings + Int(truncatingIfNeeded: word & 0x00FF_FFFF_FFFF_FFFF)
        let count = unsafe UnsafeRawPointer(start).loadUnaligned(as: UInt32.self)
        return unsafe JSONString(start: start + 4, count: Int(count))
    }

    /// The values of an array; none for anything else.
    package var elements: JSONElements {
        isArray ? JSONElements(node: node(at: index + 1), end: next - 1) : JSONElements(node: self, end: 0)
    }

    /// The members of an object, in their order; none for anything else.
    package var members: JSONMembers {
        isObject ? JSONMembers(node: node(at: index + 1), end: next - 1) : JSONMembers(node: self, end: 0)
    }

    /// The member of that name; the last one if the name occurs twice, as PostgreSQL's jsonb has it.
    ///
    /// Nil as well for a null member: absent and null mean the same in X's objects.
    package subscript(name: StaticString) -> JSONNode? {
        var found: JSONNode?
        for member in members where member.name == name {
            found = member.value
        }
        return found.flatMap { $0.isNull ? nil : $0 }
    }
}

/// The values of an array.
package struct JSONElements: Sequence, IteratorProtocol {
    fileprivate var node: JSONNode?
    fileprivate let end: Int

    /// The first value.
    package var first: JSONNode? { node.flatMap { $0.index < end ? $0 : nil } }

    package mutating func next() -> JSONNode? {
        guard let node, node.index < end else { return nil }
        self.node = node.node(at: node.next)
        return node
    }
}

extension Optional where Wrapped == JSONNode {
    /// The values of an array; none for anything else.
    package var elements: JSONElements { self?.elements ?? JSONElements(node: nil, end: 0) }
}

/// The members of an object.
package struct JSONMembers: Sequence, IteratorProtocol {
    fileprivate var node: JSONNode
    fileprivate let end: Int

    package mutating func next() -> (name: JSONString, value: JSONNode)? {
        guard node.index < end, let name = node.string else { return nil }
        let value = node.node(at: node.index + 1)
        node = value.node(at: value.next)
        return (name, value)
    }
}

/// The unescaped UTF-8 of a JSON string, in the parser's buffer; valid as long as the node it came from.
@safe package struct JSONString {
    private let start: UnsafePointer<UInt8>
    package let count: Int

    fileprivate init(start: UnsafePointer<UInt8>, count: Int) {
        unsafe self.start = start
        self.count = count
    }

    @unsafe package var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: start, count: count) }

    /// The byte at an offset below `count`.
    package subscript(offset: Int) -> UInt8 { unsafe start[offset] }

    /// The last segment of a path.
    package var afterLastSlash: JSONString {
        var first = count
        while first > 0, self[first - 1] != UInt8(ascii: "/") { first -= 1 }
        return unsafe JSONString(start: start + first, count: count - first)
    }

    package static func == (string: JSONString, literal: StaticString) -> Bool {
        unsafe string.count == literal.utf8CodeUnitCount
            && memcmp(string.start, literal.utf8Start, literal.utf8CodeUnitCount) == 0
    }

    package static func == (left: JSONString, right: JSONString) -> Bool {
        unsafe left.count == right.count && memcmp(left.start, right.start, left.count) == 0
    }
}
