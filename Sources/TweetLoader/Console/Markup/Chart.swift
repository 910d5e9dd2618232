import Core

/// Posts over time as bars, with the times without a connection behind them: a gap is not a time without posts.
///
/// The picture has no words, so that it may be stretched to any width; they stand around it.
struct Chart {
    /// How a time without a connection was dealt with.
    enum Filling: String, CaseIterable {
        case exact, approximate, open

        /// The filling for a state in `stream_gaps`.
        init(status: String) {
            switch status {
            case "repaired_exactly", "covered": self = .exact
            case "repaired_approximately": self = .approximate
            default: self = .open
            }
        }

        var words: String {
            switch self {
            case .exact: "gap, filled exactly"
            case .approximate: "gap, filled by a search"
            case .open: "gap, not filled"
            }
        }
    }

    /// A time without a connection, in milliseconds since 1970.
    struct Gap {
        let from: Int64
        let to: Int64
        let filling: Filling
    }

    /// What the chart shows, for its title.
    let title: String
    /// The first moment.
    let from: Int64
    /// Length of an interval.
    let step: Int64
    /// Posts of each interval.
    let posts: [Int64]
    var gaps: [Gap] = []

    private var to: Int64 { from + step * Int64(posts.count) }
    private static let width: Int64 = 960
    private static let height: Int64 = 160

    /// The finding in a sentence.
    var finding: String {
        let total = posts.reduce(0, +)
        let empty = posts.count { $0 == 0 }
        let gapText = gaps.isEmpty ? "no gap" : counted(gaps.count, "gap")
        return "\(groupedDigits(total)) posts, at most \(groupedDigits(posts.max() ?? 0)) in one interval; "
            + "\(counted(empty, "interval")) without posts; \(gapText)."
    }

    var html: HTML {
        """
        <figure class="chart"><figcaption>\(title)</figcaption>
        <p class="scale">most: \(Shown.number(posts.max())) posts in \(span(step))</p>
        \(picture)<p class="axis"><span>\(Shown.time(from))</span> <span>\(Shown.time(to))</span></p>
        \(legend)</figure>

        """
    }

    private var picture: HTML {
        """
        <svg viewBox="0 0 \(Self.width) \(Self.height)" preserveAspectRatio="none" role="img" aria-label="\(
            value: "\(title): \(finding)")">
        \(gaps.map(band).joined())\(posts.indices.map(bar).joined())</svg>

        """
    }

    private func place(_ moment: Int64) -> Int64 {
        max(0, min(Self.width, (moment - from) * Self.width / max(1, to - from)))
    }

    private func band(_ gap: Gap) -> HTML {
        let start = place(gap.from)
        let width = max(2, place(gap.to) - start)
        return
            "<rect class=\"gap \(gap.filling.rawValue)\" x=\"\(start)\" y=\"0\" width=\"\(width)\" height=\"\(Self.height)\"/>"
    }

    private func bar(_ index: Int) -> HTML {
        let start = place(from + step * Int64(index))
        let end = place(from + step * Int64(index + 1))
        let room = Self.height - 2
        // Whatever is not 0 is seen, and 0 is a line on the ground.
        let height = posts[index] == 0 ? 1 : max(3, posts[index] * room / max(1, posts.max() ?? 1))
        let kind = posts[index] == 0 ? "zero" : "bar"
        let width = max(1, end - start - 1)
        return
            "<rect class=\"\(kind)\" x=\"\(start)\" y=\"\(Self.height - height)\" width=\"\(width)\" height=\"\(height)\"/>"
    }

    private var legend: HTML {
        let used = Filling.allCases.filter { filling in gaps.contains { $0.filling == filling } }
        let keys = used.map { "<li><span class=\"key \($0.rawValue)\"></span> \($0.words)</li>" as HTML }
        return "<ul class=\"legend\"><li><span class=\"key posts\"></span> posts</li>\(keys.joined())</ul>\n"
    }

    private func span(_ milliseconds: Int64) -> String {
        milliseconds >= 86_400_000 ? "one day" : "one hour"
    }

    /// The same numbers for those who read tables.
    var table: HTML {
        let rows = posts.indices.map { index -> [HTML] in
            let start = from + step * Int64(index)
            let touched = gaps.filter { $0.from < start + step && $0.to > start }
            let words = Set(touched.map(\.filling.words)).sorted().joined(separator: ", ")
            return [Shown.time(start), Shown.number(posts[index]), HTML(text: words)]
        }
        let columns: [PageTable.Column] = [.init("from"), .number("posts"), .init("gaps")]
        return """
            <details><summary>As a table</summary>
            \(PageTable(title, columns, rows: rows, empty: "Nothing in this time.").html)</details>

            """
    }
}

/// Gaps as bars on a line of time for each stream.
struct GapTimeline {
    let from: Int64
    let to: Int64
    let gaps: [(stream: String, gap: Chart.Gap)]

    var html: HTML {
        let streams = Set(gaps.map(\.stream)).sorted().prefix(20)
        guard !streams.isEmpty else { return HTML() }
        let used = Chart.Filling.allCases.filter { filling in gaps.contains { $0.gap.filling == filling } }
        let keys = used.map { "<li><span class=\"key \($0.rawValue)\"></span> \($0.words)</li>" as HTML }
        return """
            <figure class="chart"><figcaption>When streams were not connected</figcaption>
            \(streams.map(line).joined())<p class="axis"><span>\(Shown.time(from))</span> <span>\(Shown.time(to))</span></p>
            <ul class="legend">\(keys.joined())</ul></figure>

            """
    }

    private func line(_ stream: String) -> HTML {
        let own = gaps.filter { $0.stream == stream }.map(\.gap)
        let bars = own.map { gap -> HTML in
            let start = place(gap.from)
            let width = max(3, place(gap.to) - start)
            return
                "<rect class=\"gap \(gap.filling.rawValue)\" x=\"\(start)\" y=\"2\" width=\"\(width)\" height=\"20\"/>"
        }
        let label = "stream \(stream): \(counted(own.count, "gap"))"
        return """
            <p class="lane">\(HTML.foreign(stream))</p>
            <svg class="lane" viewBox="0 0 960 24" preserveAspectRatio="none" role="img" aria-label="\(value: label)">
            <rect class="zero" x="0" y="22" width="960" height="1"/>\(bars.joined())</svg>

            """
    }

    private func place(_ moment: Int64) -> Int64 {
        max(0, min(957, (moment - from) * 960 / max(1, to - from)))
    }
}
