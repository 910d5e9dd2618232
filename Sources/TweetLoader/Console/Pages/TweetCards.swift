import Core
import Postgres

/// Tweets as cards. Nothing of them is loaded from X, which would learn who looks.
enum TweetCards {
    /// Reads tweets of public authors by their ids.
    ///
    /// - Parameters:
    ///   - ids: of the tweets.
    ///   - session: to the database.
    /// - Returns: a list, the newest first; the number of cards.
    /// - Throws: what the session throws.
    static func html(_ ids: [Int64], _ session: ConsoleSession) throws -> (html: HTML, count: Int) {
        guard !ids.isEmpty else { return (HTML(), 0) }
        let rows = try session.rows(sql, [arrayLiteral(ids.map { $0 })], doing: "read the tweets")
        return ("<ol class=\"cards\">\n\(rows.map(card).joined())</ol>\n", rows.count)
    }

    static let sql = """
        SELECT t.id, \(sqlMilliseconds("coalesce(tweet_time(t.id), t.created_at)")), coalesce(u.username, t.author_username),
            u.name,
            left(plain_text(coalesce((SELECT coalesce(o.long_text, o.text) FROM tweets o WHERE o.id = t.retweeted_id),
                t.long_text, t.text)), 4000),
            t.lang,
            CASE WHEN t.retweeted_id IS NOT NULL THEN 'repost' WHEN t.quoted_id IS NOT NULL THEN 'quote'
                WHEN t.replied_to_id IS NOT NULL THEN 'reply' ELSE 'tweet' END,
            coalesce(t.retweeted_id, t.quoted_id, t.replied_to_id), t.matched,
            coalesce(array_to_string(t.withheld_countries, ', '), CASE WHEN t.withheld_copyright THEN 'copyright' END),
            (SELECT string_agg(DISTINCT coalesce(r.tag, r.rule_id::text), chr(31)) FROM tweet_rules r WHERE r.tweet_id = t.id),
            (SELECT count(*) FROM tweet_versions v JOIN tweet_versions n USING (chain_id) WHERE v.tweet_id = t.id)
        FROM public_tweets t LEFT JOIN users u ON u.id = t.author_id
        WHERE t.id = ANY ($1::bigint[]) ORDER BY t.id DESC
        """

    private static func card(_ row: ConsoleRow) -> HTML {
        let id = row.integer(0) ?? 0
        let author: HTML = row[2].map { "@\(HTML.foreign($0))" } ?? "unknown author"
        let name: HTML = row[3].map { "\(HTML.foreign($0)) " } ?? ""
        let text: HTML =
            row[9].map { "<p class=\"problem\">withheld: \($0). The text is not shown.</p>\n" }
            ?? "<p>\(HTML.foreign(row.text(4)))</p>\n"
        let tags = (row[10] ?? "").split(separator: "\u{1F}").map { "<bdi dir=\"auto\">\($0)</bdi>" as HTML }
        var facts: [HTML] = [Shown.time(row.integer(1)), HTML(text: row.text(6))]
        if let other = row[7] { facts.append("of \(Link.to("/tweets", [("id", other)], HTML(text: other)))") }
        if let language = row[5] { facts.append("language \(language)") }
        facts.append(
            row.isTrue(8) ? "rules \(tags.isEmpty ? "none" : tags.joined(", "))" : "only referred to, no rule matched")
        if (row.integer(11) ?? 0) > 1 { facts.append("\(row.integer(11) ?? 0) versions") }
        facts.append(Link.to("/explain", [("id", "\(id)")], "explain \(id)"))
        facts.append(Link.atX(id))
        return """
            <li><p>\(name)\(author)</p>
            \(text)<p class="meta">\(facts.joined(" · "))</p></li>

            """
    }
}
