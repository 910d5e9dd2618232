/// The two forms of Prometheus's text exposition.
package enum MetricsFormat: Sendable {
    /// Text format 0.0.4.
    case prometheus
    /// OpenMetrics 1.0.
    case openMetrics

    /// The form that an `Accept` header asks for; OpenMetrics only when it is named.
    package init(accept: String?) {
        let isNamed = accept?.lowercased().contains("application/openmetrics-text") ?? false
        self = isNamed ? .openMetrics : .prometheus
    }

    /// The `Content-Type` of the answer.
    package var contentType: String {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }
}

/// Writes families one after the other (prometheus.io, "Exposition formats"; OpenMetrics 1.0, section "ABNF").
///
/// There are no `_created` samples: all counters begin with the process, and Prometheus before 2.50 stores them as series.
struct MetricsText {
    private let format: MetricsFormat
    private var text = ""

    init(_ format: MetricsFormat) {
        self.format = format
    }

    /// The whole text.
    var finished: String { text + (format == .openMetrics ? "# EOF\n" : "") }

    mutating func append(_ family: MetricFamily, _ series: [MetricSeries]) {
        // OpenMetrics leaves suffixes out of the name of a family.
        let named = format == .openMetrics ? family.name : family.sampleName
        let kind = family.kind == .info && format == .prometheus ? "gauge" : family.kind.rawValue
        text += "# TYPE \(named) \(kind)\n"
        if let unit = family.unit, format == .openMetrics { text += "# UNIT \(named) \(unit.rawValue)\n" }
        text += "# HELP \(named) \(Self.escaped(family.help, quotes: format == .openMetrics))\n"
        for series in series {
            let pairs = zip(family.labels, series.labels).map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
            switch series.value {
            case .number(let value): add(family.sampleName, pairs, Self.text(value))
            case .histogram(let atMost, let count, let sum):
                for (bound, below) in zip(family.bounds, atMost) {
                    add(family.name + "_bucket", pairs + ["le=\"\(bucket(bound))\""], "\(below)")
                }
                add(family.name + "_bucket", pairs + ["le=\"+Inf\""], "\(count)")
                add(family.name + "_sum", pairs, Self.text(sum))
                add(family.name + "_count", pairs, "\(count)")
            }
        }
    }

    private mutating func add(_ name: String, _ pairs: [String], _ value: String) {
        text += pairs.isEmpty ? "\(name) \(value)\n" : "\(name){\(pairs.joined(separator: ","))} \(value)\n"
    }

    private func bucket(_ bound: Double) -> String {
        // OpenMetrics wants canonical numbers, 1.0; the older format has always written 1.
        format == .openMetrics ? "\(bound)" : Self.text(bound)
    }

    /// Whole numbers without a point.
    private static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }

    /// Escapes byte by byte: a quotation mark that a combining character follows is one `Character` with it.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes += [byte, byte]
            case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case UInt8(ascii: "\"") where quotes: bytes += [UInt8(ascii: "\\"), byte]
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
