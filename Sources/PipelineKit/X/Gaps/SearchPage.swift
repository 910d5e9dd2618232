import FoundationEssentials

/// One page of X's search, taken apart into lines as the stream would have sent them.
struct SearchPage {
    /// Ids of the posts, in X's order.
    private(set) var ids: [String] = []
    /// For each post `{"data":…,"includes":…,"matching_rules":…}`; data and includes byte for byte as X sent them.
    private(set) var lines: [[UInt8]] = []
    let nextToken: String?

    /// Reads a page; nil for what is no page of a search.
    ///
    /// - Parameters:
    ///   - body: X's answer.
    ///   - rule: the rule whose value was searched, which each line names as its matching rule.
    init?(_ body: [UInt8], rule: XRule) {
        // The slices below are cut from text that is JSON for certain.
        guard let answer = try? JSONDecoder().decode(JSONValue.self, from: Data(body)),
            answer["meta"] != nil || answer["data"] != nil
        else { return nil }
        nextToken = answer["meta"]?["next_token"]?.text
        let page = JSONSlice(body[...])
        let includes = page["includes"]?.members ?? []
        let tag = rule.tag.map { ",\"tag\":\(JSONText.string($0))" } ?? ""
        let rules = Array("\"matching_rules\":[{\"id\":\(JSONText.string(rule.id))\(tag)}]}".utf8)
        for post in page["data"]?.elements ?? [] {
            guard let id = post["id"]?.text else { continue }
            ids.append(id)
            lines.append(
                Array("{\"data\":".utf8) + Self.plain(post.bytes) + [UInt8(ascii: ",")]
                    + Self.includes(of: post, from: includes) + rules)
        }
    }

    /// `"includes":{…},` with what a post, or a post it refers to, names; nothing when that is nothing.
    private static func includes(of post: JSONSlice, from includes: [(name: String, value: JSONSlice)]) -> [UInt8] {
        var named: Set<ArraySlice<UInt8>> = []
        post.collectStrings(into: &named)
        for (name, list) in includes where name == "tweets" || name == "posts" {
            for other in list.elements where isNamed(other, in: named) { other.collectStrings(into: &named) }
        }
        let kinds = includes.compactMap { name, list -> [UInt8]? in
            let chosen = list.elements.filter { isNamed($0, in: named) }.map { plain($0.bytes) }
            guard !chosen.isEmpty else { return nil }
            return Array("\(JSONText.string(name)):[".utf8) + chosen.joined(separator: [UInt8(ascii: ",")])
                + [UInt8(ascii: "]")]
        }
        guard !kinds.isEmpty else { return [] }
        return Array("\"includes\":{".utf8) + kinds.joined(separator: [UInt8(ascii: ",")]) + Array("},".utf8)
    }

    /// Whether an object's id, key or user name is among the strings.
    private static func isNamed(_ object: JSONSlice, in names: Set<ArraySlice<UInt8>>) -> Bool {
        object.members.contains { name, value in
            ["id", "media_key", "username"].contains(name) && value.bytes.count > 2
                && names.contains(value.bytes.dropFirst().dropLast())
        }
    }

    /// Line feeds between JSON's tokens would end the line.
    private static func plain(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        bytes.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
    }
}
