import Core

/// Puts together the command that exports tweets.
struct ExportPage {
    private let session: ConsoleSession
    private let context: PageContext

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
    }

    func content() throws -> HTML {
        form + (try command())
    }

    private var form: HTML {
        let request = context.request
        func all(_ words: [String], _ none: String) -> [(value: String, words: String)] {
            [("", none)] + words.map { ($0, $0) }
        }
        var form = Form("/export")
        form.text("since", "From (UTC)", request["since"], size: 20, hint: "2026-11-01 or 7d")
        form.text("until", "Before (UTC)", request["until"], size: 20, hint: "2026-12-01")
        form.text("rule", "Tag or rule id", request["rule"])
        form.text("stream", "Stream", request["stream"])
        form.text("lang", "Language", request["lang"], size: 6, hint: "en")
        form.choice("kind", "Kind", all(ExportKind.allCases.map(\.rawValue), "any"), request["kind"])
        form.choice("format", "Format", ExportFormat.allCases.map { ($0.rawValue, $0.rawValue) }, request["format"])
        form.choice("redact", "Users", all(Redaction.allCases.map(\.rawValue), "as they are"), request["redact"])
        form.text("output", "New folder", request["output"] ?? "export")
        return form.html("Show the command")
    }

    private func command() throws -> HTML {
        let request = context.request
        for name in ["since", "until"] {
            if let text = request[name], Timestamp(argument: text, now: context.now) == nil {
                return "<p class=\"problem\" role=\"alert\">\(text) is not \(Timestamp.argumentForm).</p>\n"
            }
        }
        let format = request["format"] ?? ExportFormat.csv.rawValue
        var words = ["tweet-loader", "export"]
        for name in ["since", "until", "rule", "stream", "lang", "kind"] {
            if let value = request[name] { words += ["--\(name)", Self.quoted(value)] }
        }
        if format != ExportFormat.csv.rawValue { words += ["--format", Self.quoted(format)] }
        if format == ExportFormat.csv.rawValue, let redaction = request["redact"] {
            words += ["--redact", Self.quoted(redaction)]
        }
        words += ["--output", Self.quoted(request["output"] ?? "export")]
        return """
            <h2>The command</h2>
            <p>On a host that reaches PostgreSQL, with DATABASE_URL set. \(try estimate())</p>
            \(Shown.command(words.joined(separator: " ")))<p>With <code>--dry-run</code> it only shows how many tweets that \
            are, and the gaps in that time. The folder gets a manifest with checksums, the rules, and every gap.</p>

            """
    }

    /// From the counts of the loader; other conditions are left out.
    private func estimate() throws -> HTML {
        let request = context.request
        let bounds = ["since", "until"].map { name in
            request[name].flatMap { Timestamp(argument: $0, now: context.now) }?.description
        }
        let table = request["rule"] == nil ? "stream_hours" : "rule_hours"
        let condition = request["rule"] == nil ? "$3::text IS NULL" : "(tag = $3 OR rule_id::text = $3)"
        let posts = try session.number(
            """
            SELECT coalesce(sum(posts), 0)::bigint FROM \(table)
            WHERE hour >= date_trunc('hour', coalesce($1::timestamptz, '-infinity')) AND hour < coalesce($2::timestamptz, 'infinity')
                AND \(condition) AND ($4::text IS NULL OR stream = $4)
            """, bounds + [request["rule"], request["stream"]], doing: "estimate the export")
        return "About \(Shown.number(posts)) tweets, before language and kind."
    }

    /// A word as a shell reads it.
    static func quoted(_ word: String) -> String {
        let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@+,=".utf8
        if !word.isEmpty, word.utf8.allSatisfy({ plain.contains($0) }) { return word }
        var scalars = String.UnicodeScalarView("'".unicodeScalars)
        for scalar in word.unicodeScalars {
            if scalar == "'" { scalars.append(contentsOf: "'\\''".unicodeScalars) } else { scalars.append(scalar) }
        }
        scalars.append("'")
        return String(scalars)
    }
}
