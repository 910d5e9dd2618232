import Core

/// What the posts cost, against the limits.
struct Money {
    private let session: ConsoleSession
    private let context: PageContext
    private let streams: [StreamFacts]

    init(_ session: ConsoleSession, _ context: PageContext, _ streams: [StreamFacts]) {
        (self.session, self.context, self.streams) = (session, context, streams)
    }

    func html() throws -> HTML {
        let from = Timestamp(milliseconds: context.now.milliseconds - 86_400_000).description
        let posts =
            try session.number(
                "SELECT coalesce(sum(posts), 0)::bigint FROM stream_hours WHERE hour >= $1::timestamptz", [from],
                doing: "count the posts of a day") ?? 0
        return line("Today", "day", sum(\.postsToday), sum(\.limitPerDay))
            + line("This billing cycle", "cycle", sum(\.postsOfCycle), sum(\.limitPerCycle))
            + "<p>The last 24 hours: \(Shown.number(posts)) posts, \(dollars(posts)); at that rate \(dollars(posts * 30)) in 30 days"
            + "\(rest(posts)).</p>\n"
    }

    /// Of the newest heartbeat of each stream: producers of one stream count the same posts.
    private func sum(_ member: (StreamFacts) -> Int64?) -> Int64? {
        var newest: [String: StreamFacts] = [:]
        for fact in streams where newest[fact.stream] == nil { newest[fact.stream] = fact }
        let known = newest.values.compactMap(member)
        return known.isEmpty ? nil : known.reduce(0, +)
    }

    private func dollars(_ posts: Int64) -> HTML { Shown.dollars(Double(posts) * context.configuration.postPrice) }

    private func line(_ title: String, _ name: String, _ posts: Int64?, _ limit: Int64?) -> HTML {
        guard let posts else { return "<p>\(title): not known</p>\n" }
        guard let limit, limit > 0 else {
            return "<p>\(title): \(Shown.number(posts)) posts, \(dollars(posts)), no limit</p>\n"
        }
        return """
            <p><label for="meter-\(name)">\(title): \(Shown.number(posts)) of \(Shown.number(limit)) posts, \(dollars(posts)) of \
            \(dollars(limit))</label>
            <meter id="meter-\(name)" min="0" max="\(limit)" value="\(min(posts, limit))"></meter></p>

            """
    }

    /// How long the limit of the cycle lasts at the rate of the last day.
    private func rest(_ postsPerDay: Int64) -> HTML {
        guard let limit = sum(\.limitPerCycle), let used = sum(\.postsOfCycle), limit > 0, postsPerDay > 0 else {
            return HTML()
        }
        let days = max(0, limit - used) / postsPerDay
        return days > 366 ? HTML() : "; the limit of the cycle is reached in \(counted(days, "day"))"
    }
}
