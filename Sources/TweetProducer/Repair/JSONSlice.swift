import FoundationEssentials

/// A piece of JSON text whose parts can be taken out byte for byte, as X sent them.
///
/// It walks the text by brackets and quotation marks only and expects JSON that was parsed before.
struct JSONSlice {
    let bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
    }

    /// The members of an object, in order; none for anything else.
    var members: [(name: String, value: JSONSlice)] {
        guard let parts = parts(in: UInt8(ascii: "{")) else { return [] }
        return parts.compactMap { part in
            guard let nameEnd = Self.end(ofValueAt: part.startIndex, part),
                let colon = part[nameEnd...].firstIndex(of: UInt8(ascii: ":"))
            else { return nil }
            return (JSONSlice(part[..<nameEnd]).text ?? "", JSONSlice(Self.trimmed(part[(colon + 1)...])))
        }
    }

    /// The elements of an array; none for anything else.
    var elements: [JSONSlice] {
        (parts(in: UInt8(ascii: "[")) ?? []).map { JSONSlice($0) }
    }

    /// The first member with a name.
    subscript(name: String) -> JSONSlice? {
        members.first { $0.name == name }?.value
    }

    /// The text of a string.
    var text: String? {
        guard bytes.first == UInt8(ascii: "\""), bytes.count >= 2 else { return nil }
        // Names and ids have no escapes, and there are thousands on a page.
        if !bytes.contains(UInt8(ascii: "\\")) { return String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self) }
        return try? JSONDecoder().decode(String.self, from: Data(bytes))
    }

    /// Every string in it, at any depth, between its quotation marks as it stands.
    func collectStrings(into result: inout Set<ArraySlice<UInt8>>) {
        var index = bytes.startIndex
        while let start = bytes[index...].firstIndex(of: UInt8(ascii: "\"")),
            let end = Self.end(ofStringAt: start, bytes)
        {
            result.insert(bytes[(start + 1)..<(end - 1)])
            index = end
        }
    }

    /// What stands between the brackets, cut at the commas of this level.
    private func parts(in open: UInt8) -> [ArraySlice<UInt8>]? {
        let whole = Self.trimmed(bytes)
        guard whole.first == open, whole.count >= 2 else { return nil }
        var parts: [ArraySlice<UInt8>] = []
        var index = whole.startIndex + 1
        let last = whole.endIndex - 1
        while index < last {
            let part = whole[index..<last]
            let start = part.firstIndex { !Self.isSpace($0) } ?? last
            guard start < last else { break }
            var end = start
            while end < last, whole[end] != UInt8(ascii: ",") {
                guard let next = Self.end(ofValueAt: end, whole[..<last]) else { return nil }
                end = next
            }
            parts.append(Self.trimmed(whole[start..<end]))
            index = end + 1
        }
        return parts
    }

    /// The place behind a string, an object, an array, or a single byte of anything else.
    private static func end(ofValueAt start: Int, _ bytes: ArraySlice<UInt8>) -> Int? {
        switch bytes[start] {
        case UInt8(ascii: "\""): return end(ofStringAt: start, bytes)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            var depth = 0
            var index = start
            while index < bytes.endIndex {
                switch bytes[index] {
                case UInt8(ascii: "\""):
                    guard let next = end(ofStringAt: index, bytes) else { return nil }
                    index = next
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                default: break
                }
                index += 1
                if depth == 0 { return index }
            }
            return nil
        default: return start + 1
        }
    }

    private static func end(ofStringAt start: Int, _ bytes: ArraySlice<UInt8>) -> Int? {
        var index = start + 1
        while index < bytes.endIndex {
            switch bytes[index] {
            case UInt8(ascii: "\\"): index += 2
            case UInt8(ascii: "\""): return index + 1
            default: index += 1
            }
        }
        return nil
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = bytes.drop(while: isSpace)
        while let last = rest.last, isSpace(last) { rest = rest.dropLast() }
        return rest
    }
}
