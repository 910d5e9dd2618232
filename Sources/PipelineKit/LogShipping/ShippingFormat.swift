import Core

/// What a receiver of log events expects as the body of a request.
enum ShippingFormat: String, CaseIterable, Sendable {
    /// One JSON object a line: Vector, Fluent Bit and many others.
    case jsonLines = "json-lines"
    /// One array of JSON objects: Datadog and others.
    case jsonArray = "json-array"
    /// Grafana Loki, `POST /loki/api/v1/push`.
    case loki
    /// OpenTelemetry, OTLP/HTTP with JSON, `POST /v1/logs`.
    case otlp
    /// Splunk's HTTP event collector, `POST /services/collector/event`.
    case splunkHEC = "splunk-hec"
    /// Elasticsearch and OpenSearch, `POST /_bulk`.
    case elasticBulk = "elastic-bulk"
    /// One JSON object that has the events, as JSON in a string, in one member.
    case envelope

    /// `Content-Type` of the body.
    var contentType: String {
        switch self {
        case .jsonLines, .elasticBulk: "application/x-ndjson"
        case .jsonArray, .loki, .otlp, .splunkHEC, .envelope: "application/json"
        }
    }

    /// The header field that has the token, and what stands before the token, when the settings do not say.
    var tokenField: TokenField {
        switch self {
        case .splunkHEC: TokenField(name: "Authorization", scheme: "Splunk")
        case .elasticBulk: TokenField(name: "Authorization", scheme: "ApiKey")
        case .jsonLines, .jsonArray, .loki, .otlp, .envelope: TokenField(name: "Authorization", scheme: "Bearer")
        }
    }

    /// Answers after which the same request may succeed, when the settings do not say.
    ///
    /// OTLP allows four (OpenTelemetry protocol specification, "Retryable response codes").
    var transientStatuses: Set<Int> {
        self == .otlp ? [429, 502, 503, 504] : [408, 425, 429, 500, 502, 503, 504]
    }

    /// Whether the body has a place for LOG_HTTP_BUCKET.
    var hasBucket: Bool { [.splunkHEC, .elasticBulk, .envelope].contains(self) }
}

/// The header field of a token: `DD-API-KEY`, or `Authorization: Bearer`.
struct TokenField: Sendable, Equatable {
    let name: String
    /// Stands before the token, with a space between; empty for nothing.
    let scheme: String

    init(name: String, scheme: String) {
        (self.name, self.scheme) = (name, scheme)
    }

    /// Reads `NAME` or `NAME: SCHEME`; nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1).map { String($0).trimmed }
        guard let name = parts.first, HeaderField.isName(name) else { return nil }
        let scheme = parts.count > 1 ? parts[1] : ""
        guard scheme.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        self.init(name: name, scheme: scheme)
    }
}
