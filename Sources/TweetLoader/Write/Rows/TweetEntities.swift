import Postgres
import TweetFormat

/// The entities of a tweet's text, and of its note where the post is long.
///
/// X cuts `text` and its entities; the note has all that its own text holds, but not the link to attached media. So
/// the arrays are those of the text, in X's order, and behind them what only the note has.
struct TweetEntities {
    private let entities: JSONNode?
    private let note: JSONNode?

    init(_ entities: JSONNode?, note: JSONNode?) {
        self.entities = entities
        self.note = note
    }

    /// Appends a `text[]` of one member of all entities of a kind, null where it is absent; NULL when X sent no list.
    ///
    /// An entity of the note counts as one of the text when their members `identity` are equal.
    func append(_ member: StaticString, of kind: StaticString, known identity: StaticString, to row: inout CopyBuffer) {
        guard let first = entities?.list(kind) ?? note?.list(kind) else { return row.appendNull() }
        var array = row.beginArray(of: .text)
        for entity in first.elements { row.appendElement(text: entity[member]?.string, to: &array) }
        for entity in more(kind, identity) { row.appendElement(text: entity[member]?.string, to: &array) }
        row.endArray(array)
    }

    /// Appends a `bigint[]` of one member that is an id, like `append(_:of:known:to:)`.
    func append(ids member: StaticString, of kind: StaticString, known identity: StaticString, to row: inout CopyBuffer)
    {
        guard let first = entities?.list(kind) ?? note?.list(kind) else { return row.appendNull() }
        var array = row.beginArray(of: .int8)
        for entity in first.elements { row.appendElement(int8: entity[member]?.id, to: &array) }
        for entity in more(kind, identity) { row.appendElement(int8: entity[member]?.id, to: &array) }
        row.endArray(array)
    }

    /// The entities of the note that the text does not have.
    private func more(_ kind: StaticString, _ identity: StaticString) -> [JSONNode] {
        guard let cut = entities?.list(kind), let whole = note?.list(kind) else { return [] }
        return whole.elements.filter { candidate in
            guard let name = candidate[identity]?.string else { return false }
            return !cut.elements.contains { $0[identity]?.string.map { $0 == name } ?? false }
        }
    }
}

extension JSONNode {
    /// The member of that name, if it is an array.
    fileprivate func list(_ name: StaticString) -> JSONNode? {
        self[name].flatMap { $0.isArray ? $0 : nil }
    }
}
