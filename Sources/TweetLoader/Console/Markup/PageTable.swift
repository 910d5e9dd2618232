import Core

/// A table with a caption, which scrolls by itself where it is wider than the screen.
struct PageTable {
    /// A column.
    struct Column {
        let title: String
        var isNumber = false

        init(_ title: String, isNumber: Bool = false) {
            (self.title, self.isNumber) = (title, isNumber)
        }

        /// A column of numbers.
        static func number(_ title: String) -> Column { Column(title, isNumber: true) }
    }

    private let caption: String
    private let columns: [Column]
    private let rows: [[HTML]]
    private let empty: String

    /// - Parameters:
    ///   - caption: what the table shows.
    ///   - columns: as many as each row has cells.
    ///   - rows: the cells.
    ///   - empty: what stands there without rows.
    init(_ caption: String, _ columns: [Column], rows: [[HTML]], empty: String) {
        (self.caption, self.columns, self.rows, self.empty) = (caption, columns, rows, empty)
    }

    var html: HTML {
        guard !rows.isEmpty else { return "<p class=\"note\">\(empty)</p>\n" }
        let head = columns.map { column -> HTML in
            column.isNumber
                ? "<th scope=\"col\" class=\"number\">\(column.title)</th>" : "<th scope=\"col\">\(column.title)</th>"
        }
        let body = rows.map { row -> HTML in
            let cells = zip(columns, row).map { column, cell -> HTML in
                column.isNumber ? "<td class=\"number\">\(cell)</td>" : "<td>\(cell)</td>"
            }
            return "<tr>\(cells.joined())</tr>\n"
        }
        // What scrolls must be reached by the keyboard (WCAG 2.1.1).
        return """
            <div class="scroll" role="region" aria-label="\(value: caption)" tabindex="0"><table>
            <caption>\(caption)</caption>
            <thead><tr>\(head.joined())</tr></thead>
            <tbody>
            \(body.joined())</tbody></table></div>

            """
    }
}

/// How values are shown.
enum Shown {
    /// A moment to the second: `2026-11-20 08:15:30`; a dash for none.
    static func time(_ milliseconds: Int64?) -> HTML {
        guard let milliseconds else { return "–" }
        let text = Timestamp(milliseconds: milliseconds).description
        let short = text.prefix(19).replacing("T", with: " ")
        return "<time datetime=\"\(value: text)\">\(short)</time>"
    }

    /// A length of time: `3 min`.
    static func span(_ milliseconds: Int64?) -> HTML {
        guard let milliseconds else { return "–" }
        return HTML(text: shortAge(max(0, milliseconds) / 1000))
    }

    /// A number with commas; a dash for none, which is not 0.
    static func number(_ number: Int64?) -> HTML {
        number.map { HTML(text: groupedDigits($0)) } ?? "–"
    }

    static func dollars(_ amount: Double) -> HTML {
        let cents = Int64((amount * 100).rounded())
        let rest = cents % 100
        return HTML(text: "$\(groupedDigits(cents / 100)).\(rest < 10 ? "0" : "")\(rest)")
    }

    static func bytes(_ count: Int64?) -> HTML {
        guard let count else { return "–" }
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (Double(count), 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        let tenths = Int64((value * 10).rounded())
        return HTML(
            text: unit == 0 || tenths >= 1000
                ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])")
    }

    /// A text of users or of X; a dash for none.
    static func foreign(_ text: String?) -> HTML { text.map { .foreign($0) } ?? "–" }

    /// A command to copy.
    static func command(_ text: String) -> HTML {
        "<pre class=\"command\" tabindex=\"0\"><code>\(text)</code></pre>\n"
    }
}

/// A path of the console with its parameters.
enum Link {
    /// The address, fit for an attribute in quotation marks.
    static func address(_ path: String, _ parameters: [(String, String?)] = []) -> HTML {
        let pairs = parameters.compactMap { name, value in
            value.flatMap { $0.isEmpty ? nil : "\(name)=\(percentEncoded($0))" }
        }
        return HTML(text: pairs.isEmpty ? path : path + "?" + pairs.joined(separator: "&"))
    }

    /// A link of the console.
    static func to(_ path: String, _ parameters: [(String, String?)] = [], _ label: HTML) -> HTML {
        "<a href=\"\(address(path, parameters))\">\(label)</a>"
    }

    /// A tweet at X: the only links to elsewhere, made from a number.
    static func atX(_ tweet: Int64) -> HTML {
        "<a rel=\"noreferrer noopener\" href=\"https://x.com/i/status/\(tweet)\">at X</a>"
    }
}
