import Core
import Postgres

/// Messages that did not become rows, with their bytes and the reason.
struct RejectsPage {
    private let session: ConsoleSession
    private let context: PageContext
    private static let pageSize = 50
    /// Bytes of a message that are shown.
    private static let shownBytes = 4096

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
    }

    func content() throws -> HTML {
        if let id = context.request.number("id") { return try reject(id) }
        return try groups() + list()
    }

    private func groups() throws -> HTML {
        let rows = try session.rows(
            """
            SELECT reason, sqlstate, count(*), \(sqlMilliseconds("max(rejected_at)"))
            FROM (SELECT reason, sqlstate, rejected_at FROM rejects ORDER BY id DESC LIMIT 100000) r
            GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 100
            """, doing: "count the rejects")
        let cells = rows.map { row -> [HTML] in
            let name = row.text(0) + (row[1].map { " \($0)" } ?? "")
            return [
                Link.to("/rejects", [("reason", row[0]), ("sqlstate", row[1])], HTML(text: name)),
                Shown.number(row.integer(2)), Shown.time(row.integer(3)),
            ]
        }
        let columns: [PageTable.Column] = [.init("reason"), .number("messages"), .init("last")]
        return PageTable("By reason, of the newest 100,000", columns, rows: cells, empty: "Nothing was rejected.").html
    }

    private func list() throws -> HTML {
        let request = context.request
        let rows = try session.rows(
            """
            SELECT id, reason, sqlstate, \(sqlMilliseconds("rejected_at")), stream, left(detail, 200),
                kafka_topic || '-' || kafka_partition || '@' || kafka_offset, octet_length(value)
            FROM rejects
            WHERE ($1::text IS NULL OR reason = $1) AND ($2::text IS NULL OR sqlstate = $2)
                AND ($3::bigint IS NULL OR id < $3::bigint)
            ORDER BY id DESC LIMIT \(Self.pageSize + 1)
            """, [request["reason"], request["sqlstate"], request.number("before").map { "\($0)" }],
            doing: "list the rejects")
        let cells = rows.prefix(Self.pageSize).map { row -> [HTML] in
            [
                Link.to("/rejects", [("id", row[0])], HTML(text: row.text(0))),
                HTML(text: row.text(1) + (row[2].map { " \($0)" } ?? "")), Shown.time(row.integer(3)),
                Shown.foreign(row[4]), row[5].map { .foreign($0) } ?? "", HTML(text: row.text(6)),
                Shown.bytes(row.integer(7)),
            ]
        }
        let columns: [PageTable.Column] = [
            .number("number"), .init("reason"), .init("rejected"), .init("stream"), .init("detail"),
            .init("place in Kafka"),
            .number("size"),
        ]
        let title = request["reason"].map { "Rejects: \($0)" } ?? "Rejects, the newest first"
        return PageTable(title, columns, rows: cells, empty: "No reject is older than this page.").html + older(rows)
    }

    private func older(_ rows: [ConsoleRow]) -> HTML {
        guard rows.count > Self.pageSize else { return HTML() }
        let request = context.request
        let parameters = [
            ("reason", request["reason"]), ("sqlstate", request["sqlstate"]), ("before", rows[Self.pageSize - 1][0]),
        ]
        return "<p>\(Link.to("/rejects", parameters, "Older rejects"))</p>\n"
    }

    // MARK: One reject

    private func reject(_ id: Int64) throws -> HTML {
        let found = try session.rows(
            """
            SELECT reason, sqlstate, detail, \(sqlMilliseconds("rejected_at")), \(sqlMilliseconds("received_at")), stream,
                journal, seq, kafka_topic || '-' || kafka_partition || '@' || kafka_offset, octet_length(value),
                encode(substring(value FOR \(Self.shownBytes)), 'hex'), encode(substring(key FOR 200), 'escape')
            FROM rejects WHERE id = $1::bigint
            """, ["\(id)"], doing: "read a reject")
        guard let row = found.first else {
            return
                "<p>There is no reject \(id); it may have been replayed. \(Link.to("/rejects", [], "All rejects"))</p>\n"
        }
        let facts: [(String, HTML)] = [
            ("number", "\(id)"), ("reason", HTML(text: row.text(0) + (row[1].map { " \($0)" } ?? ""))),
            ("detail", Shown.foreign(row[2])), ("rejected", Shown.time(row.integer(3))),
            ("received", Shown.time(row.integer(4))), ("stream", Shown.foreign(row[5])),
            ("journal", row[6].map { "\(HTML.foreign($0)), line \(row.text(7))" } ?? "–"),
            ("place in Kafka", HTML(text: row.text(8))), ("key", Shown.foreign(row[11])),
            ("size", Shown.bytes(row.integer(9))),
        ]
        let entries = facts.map { "<dt>\($0.0)</dt><dd>\($0.1)</dd>\n" as HTML }
        return """
            <dl>\(entries.joined())</dl>
            \(message(row))<h2>Load it again</h2>
            <p>After the cause is fixed, on the loader's host:</p>
            \(Shown.command("tweet-loader rejects replay \(id)"))<p>\(Link.to("/rejects", [], "All rejects"))</p>

            """
    }

    private func message(_ row: ConsoleRow) -> HTML {
        guard let hex = row[10] else { return "<p>The message had no value.</p>\n" }
        let bytes = Self.bytes(hex)
        let rest = (row.integer(9) ?? 0) - Int64(bytes.count)
        let note: HTML = rest > 0 ? "<p class=\"note\">\(Shown.number(rest)) more bytes are not shown.</p>\n" : HTML()
        return """
            <h2>The message as text</h2>
            <pre tabindex="0">\(HTML.foreign(String(decoding: bytes, as: UTF8.self)))</pre>
            <h2>The message as bytes</h2>
            <pre tabindex="0">\(Self.dump(bytes))</pre>
            \(note)
            """
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)
        }
    }

    /// Lines of 16 bytes with their place.
    private static func dump(_ bytes: [UInt8]) -> String {
        stride(from: 0, to: bytes.count, by: 16).map { start in
            let line = bytes[start..<min(start + 16, bytes.count)]
            let digits = line.map { String($0, radix: 16).leftPadded(2).replacing(" ", with: "0") }
            return String(start, radix: 16).leftPadded(6).replacing(" ", with: "0") + "  "
                + digits.joined(separator: " ")
        }.joined(separator: "\n")
    }
}
