/// A rule of the simulator's stream.
package struct StreamRule: Sendable, Equatable, Codable {
    package let id: String
    package let value: String
    package let tag: String?

    package init(id: String, value: String, tag: String?) {
        self.id = id
        self.value = value
        self.tag = tag
    }

    /// The rules that a post matches.
    ///
    /// X's grammar is not evaluated. A rule matches when one of its positive words does: a keyword is in the text, `#tag`
    /// or `$tag` is among the post's tags, `lang:xx` is its language. As X sends only what matches, a post
    /// that matches no rule is given to rule number `index` modulo their count.
    static func matching(_ rules: [StreamRule], _ post: Post) -> [StreamRule] {
        guard !rules.isEmpty else { return [] }
        let text = post.text.text.lowercased()
        let tags = (post.text.hashtags.map { "#" + $0.value } + post.text.cashtags.map { "$" + $0.value }).map {
            $0.lowercased()
        }
        let matching = rules.filter { rule in
            rule.value.lowercased().split(separator: " ").contains { word in
                switch word {
                case _ where word.hasPrefix("-") || word == "or": false
                case _ where word.hasPrefix("#") || word.hasPrefix("$"): tags.contains(String(word))
                case _ where word.hasPrefix("lang:"): word.dropFirst(5) == post.language
                case _ where word.contains(":"): false
                default: text.contains(word.trimmingQuotes())
                }
            }
        }
        return matching.isEmpty ? [rules[Int(post.index % Int64(rules.count))]] : matching
    }
}

extension Substring {
    fileprivate func trimmingQuotes() -> String {
        String(filter { $0 != "\"" && $0 != "(" && $0 != ")" })
    }
}
