import Core

/// The whole way of one tweet, as `explain` shows it.
struct ExplainPage {
    private let session: ConsoleSession
    private let context: PageContext

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
    }

    func content() throws -> HTML {
        var form = Form("/explain")
        form.text("id", "Id or link of a tweet", context.request["id"], size: 32)
        let asked = form.html("Explain")
        guard let wanted = context.request["id"] else { return asked }
        guard let id = TweetLink.id(in: wanted) else {
            return asked + "<p class=\"problem\" role=\"alert\">This is neither an id nor a link to a tweet.</p>\n"
        }
        let trace = try session.work { connection in try TweetTrace(id, connection) }
        return asked + way(trace) + "<p>\(Link.to("/tweets", [("id", "\(id)")], "Show it")) · \(Link.atX(id))</p>\n"
            + Shown.command("tweet-loader explain \(id)")
    }

    private func way(_ trace: TweetTrace) -> HTML {
        let entries = trace.stations.map { station -> HTML in
            "<dt>\(station[0])</dt><dd>\(HTML.foreign(station[1]))</dd>\n"
        }
        let notes = trace.notes.map { "<p>\(HTML.foreign($0))</p>\n" as HTML }
        return "<dl>\(entries.joined())</dl>\n\(notes.joined())"
    }
}
