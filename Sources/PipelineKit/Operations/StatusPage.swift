internal import Core

/// What `/` answers: the checks of a service as one page, without scripts, styles from elsewhere, or links.
struct StatusPage {
    private let report: HealthReport

    init(_ report: HealthReport) {
        self.report = report
    }

    /// The page.
    var html: String {
        let rows = report.checks.map { check in
            let cells = [check.status.rawValue, check.name, check.detail, check.since ?? "", check.remedy ?? ""]
            return "<tr>" + cells.map { "<td>\(Self.escaped($0))</td>" }.joined() + "</tr>"
        }
        let title = "\(Self.escaped(report.service)): \(report.status.rawValue)"
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>\(title)</title></head>
            <body><h1>\(title)</h1>
            <table><thead><tr><th>status</th><th>check</th><th>found</th><th>since</th><th>remedy</th></tr></thead>
            <tbody>
            \(rows.joined(separator: "\n"))
            </tbody></table></body></html>

            """
    }

    /// Escapes byte by byte: a character that HTML needs and a combining one after it are one `Character`.
    static func escaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): bytes += Array("&amp;".utf8)
            case UInt8(ascii: "<"): bytes += Array("&lt;".utf8)
            case UInt8(ascii: ">"): bytes += Array("&gt;".utf8)
            case UInt8(ascii: "\""): bytes += Array("&quot;".utf8)
            case UInt8(ascii: "'"): bytes += Array("&#39;".utf8)
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
