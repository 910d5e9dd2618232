/// A post's text with its entities; offsets count Unicode code points of the HTML-escaped text, as X's do.
struct PostText: Sendable {
    struct Span: Sendable {
        let start: Int
        let end: Int
        let value: String
        /// A mention's user id; a link's target.
        var detail = ""
    }

    private(set) var text = ""
    /// The length in code points.
    private(set) var length = 0
    private(set) var hashtags: [Span] = []
    private(set) var cashtags: [Span] = []
    private(set) var mentions: [Span] = []
    private(set) var links: [Span] = []

    /// Appends plain text; `&`, `<` and `>` become `&amp;`, `&lt;` and `&gt;`.
    mutating func append(_ plain: String) {
        guard plain.utf8.contains(where: "&<>".utf8.contains) else {
            text += plain
            length += plain.unicodeScalars.count
            return
        }
        for scalar in plain.unicodeScalars {
            switch scalar {
            case "&": appendRaw("&amp;")
            case "<": appendRaw("&lt;")
            case ">": appendRaw("&gt;")
            default:
                text.unicodeScalars.append(scalar)
                length += 1
            }
        }
    }

    mutating func appendHashtag(_ tag: String) {
        hashtags.append(span("#" + tag, value: tag))
    }

    mutating func appendCashtag(_ tag: String) {
        cashtags.append(span("$" + tag, value: tag))
    }

    mutating func appendMention(_ person: Person) {
        mentions.append(span("@" + person.username, value: person.username, detail: String(person.id)))
    }

    /// Appends a t.co link.
    mutating func appendLink(_ short: String, to target: String) {
        links.append(span(short, value: short, detail: target))
    }

    /// The first `count` code points and `…`, with the entities that are wholly in it.
    func cut(to count: Int) -> PostText {
        guard length > count else { return self }
        var result = self
        result.text = String(String.UnicodeScalarView(text.unicodeScalars.prefix(count))) + "…"
        result.length = count + 1
        result.hashtags.removeAll { $0.end > count }
        result.cashtags.removeAll { $0.end > count }
        result.mentions.removeAll { $0.end > count }
        result.links.removeAll { $0.end > count }
        return result
    }

    /// What a repost shows: `RT @name: ` and the text cut at 140 code points.
    func reposted(from person: Person) -> PostText {
        var result = PostText()
        result.append("RT ")
        result.appendMention(person)
        result.append(": ")
        let shift = result.length
        result.text += text
        result.length += length
        result.hashtags = hashtags.map { $0.moved(by: shift) }
        result.cashtags = cashtags.map { $0.moved(by: shift) }
        result.mentions += mentions.map { $0.moved(by: shift) }
        result.links = links.map { $0.moved(by: shift) }
        return result.cut(to: 139)
    }

    private mutating func appendRaw(_ ascii: String) {
        text += ascii
        length += ascii.utf8.count
    }

    private mutating func span(_ shown: String, value: String, detail: String = "") -> Span {
        let start = length
        text += shown
        length += shown.unicodeScalars.count
        return Span(start: start, end: length, value: value, detail: detail)
    }
}

extension PostText.Span {
    fileprivate func moved(by shift: Int) -> PostText.Span {
        PostText.Span(start: start + shift, end: end + shift, value: value, detail: detail)
    }
}
