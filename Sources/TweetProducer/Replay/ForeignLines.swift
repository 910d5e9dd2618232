import Core
import TweetFormat

/// Makes lines, as the stream has them, of what other tools keep: lines of the stream, pages `{"data":[…],"includes":…}`,
/// and flat tweets, one object each, as of twarc's `flatten`, academictwitteR and others.
///
/// Holds the parser's buffers from line to line; for one thread.
package struct ForeignLines: ~Copyable {
    /// What a line of a file holds.
    package enum Content {
        /// Lines to publish, one a tweet.
        case tweets([[UInt8]])
        /// A page without a tweet.
        case empty
        /// No tweet, and why; published as it is, so that it becomes an event or a reject.
        case other(reason: String)
    }

    private var parser = LineParser()

    package init() {}

    /// Looks at one line.
    package mutating func content(of line: UnsafeRawBufferPointer) -> Content {
        let form: Form
        do { form = Form(try unsafe parser.parse(line)) } catch {
            // A document that is spread over lines has an opening bracket here and nothing that closes it.
            let isPretty = unsafe line.filter { $0 > 32 }.elementsEqual("{".utf8)
            let why = isPretty ? "one JSON object over several lines; `jq -c . FILE` writes one a line" : error.detail
            return .other(reason: why)
        }
        let text = parser.alterations.isEmpty ? unsafe Array(line) : parser.cleaned
        switch form {
        case .line: return .tweets([unsafe Array(line)])
        case .flat: return .tweets([FlatTweet.line(text)])
        case .page:
            guard let page = SearchPage(text, rule: nil), !page.lines.isEmpty else { return .empty }
            return .tweets(page.lines)
        case .other(let reason): return .other(reason: reason)
        }
    }

    private enum Form {
        case line, page, flat
        case other(String)

        init(_ root: JSONNode) {
            guard root.isObject else { self = .other("not a JSON object"); return }
            guard let data = root["data"] else { self = Self.withoutData(root); return }
            if data.isArray {
                self = .page
            } else if data["id"]?.id != nil {
                self = .line
            } else {
                self = .other("data.id is not an id")
            }
        }

        private static func withoutData(_ root: JSONNode) -> Form {
            if root["id_str"] != nil {
                return .other("a tweet of X's API v1.1 (id_str); only tweets of v2 are read")
            }
            if root["errors"] != nil { return .other("an error from X") }
            if root["pipeline_event"] != nil { return .other("an event of tweet-producer") }
            if root["id"]?.id != nil, root["text"]?.string != nil { return .flat }
            return root["meta"]?["result_count"]?.integer == 0 ? .page : .other("no data and no errors")
        }
    }
}

/// A tweet as one flat object: its author and what it refers to stand inside it instead of in `includes`.
enum FlatTweet {
    /// Members of the flat form that are not members of a tweet.
    private static let own: Set<String> = ["author", "in_reply_to_user", "matching_rules", "__twarc"]

    /// The line that the stream would have sent. Values stay byte for byte.
    static func line(_ text: [UInt8]) -> [UInt8] {
        let tweet = JSONSlice(text[...])
        let members = tweet.members
        var parts = [(name: "data", value: object(members.filter { !own.contains($0.name) }))]
        let includes = includes(of: tweet)
        if !includes.isEmpty { parts.append((name: "includes", value: object(includes))) }
        if let rules = members.first(where: { $0.name == "matching_rules" }) {
            parts.append((name: "matching_rules", value: rules.value))
        }
        return Array(object(parts).bytes)
    }

    private static func includes(of tweet: JSONSlice) -> [(name: String, value: JSONSlice)] {
        let referred = (tweet["referenced_tweets"]?.elements ?? []).filter { $0["text"] != nil }
        let users = ([tweet] + referred).flatMap { [$0["author"], $0["in_reply_to_user"]] }.compactMap(\.self)
        let attached = ([tweet] + referred).compactMap { $0["attachments"] }
        let media = attached.flatMap { $0["media"]?.elements ?? [] }
        let polls = attached.flatMap { ($0["polls"]?.elements ?? []) + ([$0["poll"]].compactMap(\.self)) }
        let places = ([tweet] + referred).compactMap { $0["geo"] }.filter { $0["full_name"] != nil }
        return [
            ("users", users.filter { $0["id"] != nil }), ("tweets", referred),
            ("media", media.filter { $0["media_key"] != nil }), ("polls", polls.filter { $0["id"] != nil }),
            ("places", places.filter { $0["id"] != nil }),
        ].filter { !$0.1.isEmpty }.map { ($0.0, array($0.1)) }
    }

    private static func object(_ members: [(name: String, value: JSONSlice)]) -> JSONSlice {
        let parts = members.map { Array("\(JSONText.string($0.name)):".utf8) + $0.value.bytes }
        return JSONSlice(([123] + parts.joined(separator: [44]) + [125])[...])
    }

    private static func array(_ elements: [JSONSlice]) -> JSONSlice {
        JSONSlice(([91] + elements.map { Array($0.bytes) }.joined(separator: [44]) + [93])[...])
    }
}
