import Core

extension JSONNode {
    /// RFC 3339 in UTC, as X writes times.
    package var timestamp: Timestamp? {
        string.flatMap { unsafe Timestamp(rfc3339: $0.bytes) }
    }
}

extension Optional where Wrapped == JSONNode {
    /// The two values of an array of two; nil for anything else.
    package var pair: (JSONNode, JSONNode)? {
        guard let self else { return nil }
        var elements = self.elements
        guard let first = elements.next(), let second = elements.next(), elements.next() == nil else { return nil }
        return (first, second)
    }
}
