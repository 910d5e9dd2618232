import Core
import TweetFormat

/// The newest tweets.
struct TailPage {
    private let session: ConsoleSession
    private let context: PageContext
    private static let most = 20
    private static let counted = 2000

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
    }

    func content() throws -> HTML {
        let since = Snowflake.firstID(at: context.now.advanced(by: .seconds(-120))) ?? 0
        let ids = try session.rows(Self.newestSQL, ["\(since)"], doing: "read the newest tweets").compactMap {
            $0.integer(0)
        }
        let number = try session.number(Self.countSQL, ["\(since)"], doing: "count the newest tweets") ?? 0
        let cards = try TweetCards.html(ids, session)
        return """
            <p role="status">\(summary(number, shown: cards.count))</p>
            \(cards.html)
            """
    }

    private func summary(_ number: Int64, shown: Int) -> HTML {
        guard number > 0 else { return "No tweet of the last 2 minutes is stored yet." }
        let rest = number - Int64(shown)
        let more: HTML = rest > 0 ? " … and \(Shown.number(rest))\(number > Self.counted ? " or" : "") more." : "."
        return "The newest \(shown) tweets of the last 2 minutes\(more)"
    }

    static let newestSQL = """
        SELECT id FROM public_tweets WHERE matched AND id >= $1::bigint ORDER BY id DESC LIMIT \(most)
        """
    static let countSQL = """
        SELECT count(*) FROM (SELECT FROM tweets WHERE matched AND id >= $1::bigint LIMIT \(counted + 1)) t
        """
}
