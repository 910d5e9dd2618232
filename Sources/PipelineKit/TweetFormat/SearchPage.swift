import Core

/// A page of posts as X's search answers (`{"data":[…],"includes":{…}}`), taken apart into lines as the stream would have sent
/// them.
package struct SearchPage {
    /// A rule at X.
    package struct Rule {
        let id: String
        let tag: String?

        package init(id: String, tag: String?) { (self.id, self.tag) = (id, tag) }
    }

    /// Ids of the posts, in X's order.
    package private(set) var ids: [String] = []
    /// For each post `{"data":…,"includes":…,"matching_rules":…}`; data and includes byte for byte as X sent them. Without a
    /// rule there are no `matching_rules`.
    package private(set) var lines: [[UInt8]] = []
    package let nextToken: String?

    /// Reads a page; nil for what is no page of a search.
    ///
    /// - Parameters:
    ///   - body: X's answer.
    ///   - rule: the rule whose value was searched, which each line names as its matching rule; nil when it is not known.
    package init?(_ body: [UInt8], rule: Rule?) {
        // The slices below are cut from text that is JSON for certain.
        var parser = LineParser()
        let isPage = unsafe body.withUnsafeBytes { bytes in
            guard let root = try? unsafe parser.parse(bytes) else { return false }
            return root["meta"] != nil || root["data"] != nil
        }
        // Text that PostgreSQL cannot hold is repaired where it is stored; brackets and quotation marks are what they are.
        guard isPage, parser.alterations.isSubset(of: [.invalidUTF8, .loneSurrogate, .nul]) else { return nil }
        let page = JSONSlice(body[...])
        nextToken = page["meta"]?["next_token"]?.text
        let included = (page["includes"]?.members ?? []).map { Included(kind: $0, list: $1) }
        let rules = Self.matchingRules(rule)
        for post in page["data"]?.elements ?? [] {
            // Captures of 2021 have ids that are numbers.
            guard let id = post["id"].map({ $0.text ?? String(decoding: $0.bytes, as: UTF8.self) }) else { continue }
            ids.append(id)
            lines.append(
                Array("{\"data\":".utf8) + Self.plain(post.bytes) + Self.includes(of: post, from: included) + rules
                    + [UInt8(ascii: "}")])
        }
    }

    private static func matchingRules(_ rule: Rule?) -> [UInt8] {
        guard let rule else { return [] }
        let tag = rule.tag.map { ",\"tag\":\(JSONText.string($0))" } ?? ""
        return Array(",\"matching_rules\":[{\"id\":\(JSONText.string(rule.id))\(tag)}]".utf8)
    }

    /// The objects of one kind, each with the ids, keys and names by which posts refer to it.
    private struct Included {
        let kind: String
        let objects: [(names: [ArraySlice<UInt8>], object: JSONSlice)]

        init(kind: String, list: JSONSlice) {
            self.kind = kind
            objects = list.elements.map { object in
                let members = object.members.filter { ["id", "media_key", "username"].contains($0.name) }
                return (members.map { $0.value.bytes.dropFirst().dropLast() }, object)
            }
        }

        func named(in names: Set<ArraySlice<UInt8>>) -> [JSONSlice] {
            objects.filter { $0.names.contains { names.contains($0) } }.map(\.object)
        }
    }

    /// `,"includes":{…}` with what a post, or a post it refers to, names; nothing when that is nothing.
    private static func includes(of post: JSONSlice, from included: [Included]) -> [UInt8] {
        var names: Set<ArraySlice<UInt8>> = []
        post.collectStrings(into: &names)
        let referred = included.filter { $0.kind == "tweets" || $0.kind == "posts" }.flatMap { $0.named(in: names) }
        for other in referred { other.collectStrings(into: &names) }
        let kinds = included.compactMap { included -> [UInt8]? in
            let chosen = included.named(in: names).map { plain($0.bytes) }
            guard !chosen.isEmpty else { return nil }
            return Array("\(JSONText.string(included.kind)):[".utf8) + chosen.joined(separator: [UInt8(ascii: ",")])
                + [UInt8(ascii: "]")]
        }
        guard !kinds.isEmpty else { return [] }
        return Array(",\"includes\":{".utf8) + kinds.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "}")]
    }

    /// Line feeds between JSON's tokens would end the line.
    private static func plain(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        bytes.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
    }
}
