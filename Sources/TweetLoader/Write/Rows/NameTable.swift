import Glibc
import TweetFormat

/// Finds a name among a fixed set: open addressing over a table that is four times too large for the set.
struct NameTable: Sendable {
    private var slots: [UInt8]
    private var names: [UInt8] = []
    private var starts: [Int] = [0]

    /// Holds at most 64 names, none of them empty.
    init(_ names: [String]) {
        slots = [UInt8](repeating: .max, count: 256)
        for (index, name) in names.enumerated() {
            let bytes = Array(name.utf8)
            self.names += bytes
            starts.append(self.names.count)
            var slot = Self.slot(count: bytes.count, first: bytes[0], last: bytes[bytes.count - 1])
            while slots[slot] != .max { slot = (slot + 1) & 255 }
            slots[slot] = UInt8(index)
        }
    }

    /// The place of the name in the set.
    func index(of name: JSONString) -> Int? {
        guard name.count > 0 else { return nil }
        var slot = Self.slot(count: name.count, first: name[0], last: name[name.count - 1])
        while slots[slot] != .max {
            let index = Int(slots[slot])
            if equals(name, starts[index]..<starts[index + 1]) { return index }
            slot = (slot + 1) & 255
        }
        return nil
    }

    private func equals(_ name: JSONString, _ range: Range<Int>) -> Bool {
        guard name.count == range.count else { return false }
        return unsafe names.withUnsafeBytes { buffer in
            unsafe memcmp(buffer.baseAddress! + range.lowerBound, name.bytes.baseAddress!, range.count) == 0
        }
    }

    /// The slot of a name of that length, first and last byte, among 256.
    static func slot(count: Int, first: UInt8, last: UInt8) -> Int {
        (count &* 37 &+ Int(first) &* 11 &+ Int(last) &* 3) & 255
    }
}

/// Names of members that become columns: the raw values.
protocol MemberName: CaseIterable, RawRepresentable<String> {
    /// All names, made once.
    static var table: NameTable { get }
}

/// The members of an object that become columns, found in one walk over it.
///
/// `size`: at least how many names there are. A line's encoders hold several of these, so they are small.
struct Members<Name: MemberName, let size: Int> {
    private let object: JSONNode
    /// For each name the member's place on the tape; 0: absent.
    private var places = InlineArray<size, UInt32>(repeating: 0)

    init(of object: JSONNode) {
        self.object = object
        let table = Name.table
        // A name that comes twice counts with its last value, as in PostgreSQL's jsonb.
        for member in object.members {
            // Lines are far shorter than such a tape.
            if let place = table.index(of: member.name) { places[place] = UInt32(clamping: member.value.index) }
        }
    }

    /// The member of that name; nil when absent or null, which mean the same in X's objects.
    subscript(name: Name) -> JSONNode? {
        // An enumeration without payloads is the number of its case.
        let place = Int(places[Int(unsafe unsafeBitCast(name, to: UInt8.self))])
        guard place != 0 else { return nil }
        let node = object.node(at: place)
        return node.isNull ? nil : node
    }
}
