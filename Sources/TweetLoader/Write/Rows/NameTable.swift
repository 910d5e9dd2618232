import Glibc
import TweetFormat

/// Finds a name among a fixed set of some thirty at most, by a look at each: a hash table saves 3 % of decoding.
struct NameTable: Sendable {
    private var names: [UInt8] = []
    private var starts: [Int] = [0]

    init(_ names: [String]) {
        for name in names {
            self.names += Array(name.utf8)
            starts.append(self.names.count)
        }
    }

    /// The place of the name in the set.
    func index(of name: JSONString) -> Int? {
        (0..<(starts.count - 1)).first { equals(name, starts[$0]..<starts[$0 + 1]) }
    }

    private func equals(_ name: JSONString, _ range: Range<Int>) -> Bool {
        guard name.count == range.count else { return false }
        return unsafe names.withUnsafeBytes { buffer in
            unsafe memcmp(buffer.baseAddress! + range.lowerBound, name.bytes.baseAddress!, range.count) == 0
        }
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
