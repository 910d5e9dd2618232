import Core
import Digests

/// Makes the bodies of requests from events. A pure value.
struct LogBody: Sendable {
    /// A constant that accompanies every event.
    struct Member: Sendable, Equatable {
        let name: String
        let value: String

        /// As a member of a JSON object.
        var json: String { "\(JSONText.string(name)):\(JSONText.string(value))" }
    }

    var format = ShippingFormat.jsonLines
    /// Splunk's index, Elastic's index or data stream, or the member `bucket` of an envelope; nil for none.
    var bucket: String?
    var members: [Member] = []
    /// The member of an envelope that has the events.
    var envelopeKey = "data"
    /// Whether an envelope has one event, not an array of events.
    var isSingle = false

    /// The body for some events, which have their order in it.
    ///
    /// - Parameter events: at least one.
    /// - Returns: the text.
    func text(_ events: [ShippedEvent]) -> String {
        switch format {
        case .jsonLines: events.map { with(members, $0.line) + "\n" }.joined()
        case .jsonArray: "[" + events.map { with(members, $0.line) }.joined(separator: ",") + "]"
        case .loki: loki(events)
        case .otlp: otlp(events)
        case .splunkHEC: events.map(splunk).joined(separator: "\n")
        case .elasticBulk: events.map(elastic).joined()
        case .envelope: envelope(events)
        }
    }

    /// Puts members before those of an object.
    private func with(_ members: [Member], _ line: String) -> String {
        guard !members.isEmpty, line.hasPrefix("{\"") else { return line }
        return "{" + members.map(\.json).joined(separator: ",") + "," + line.dropFirst()
    }

    // MARK: Loki

    /// One stream for each service, host and level; few labels, as Loki asks (Grafana Loki, "Label best practices").
    private func loki(_ events: [ShippedEvent]) -> String {
        var streams: [(labels: String, values: [String])] = []
        for event in events {
            let parts = EventParts(event.line)
            let labels = [("service", parts.service), ("host", parts.host), ("level", parts.level)]
                .map { Member(name: $0.0, value: $0.1) }
            let text = "{" + (labels + members).map(\.json).joined(separator: ",") + "}"
            let value = "[\"\(parts.nanoseconds)\",\(JSONText.string(event.line))]"
            if let place = streams.firstIndex(where: { $0.labels == text }) {
                streams[place].values.append(value)
            } else {
                streams.append((text, [value]))
            }
        }
        let texts = streams.map { "{\"stream\":\($0.labels),\"values\":[\($0.values.joined(separator: ","))]}" }
        return "{\"streams\":[\(texts.joined(separator: ","))]}"
    }

    // MARK: Splunk

    private func splunk(_ event: ShippedEvent) -> String {
        let parts = EventParts(event.line)
        let milliseconds = (parts.time ?? Timestamp(milliseconds: 0)).milliseconds
        let fraction = String(1000 + milliseconds % 1000).dropFirst()
        var texts = [
            "\"time\":\(milliseconds / 1000).\(fraction)", "\"host\":\(JSONText.string(parts.host))",
            "\"source\":\(JSONText.string(parts.service))", "\"sourcetype\":\"_json\"",
        ]
        if let bucket { texts.append("\"index\":\(JSONText.string(bucket))") }
        if !members.isEmpty { texts.append("\"fields\":{\(members.map(\.json).joined(separator: ","))}") }
        return "{\(texts.joined(separator: ",")),\"event\":\(event.line)}"
    }

    // MARK: Elastic

    /// Two lines. The id follows from the event, so that an event that is sent twice is stored once.
    private func elastic(_ event: ShippedEvent) -> String {
        let index = bucket.map { "\"_index\":\(JSONText.string($0))," } ?? ""
        // Data streams need @timestamp.
        let time = EventParts(event.line).time.map { [Member(name: "@timestamp", value: "\($0)")] } ?? []
        return "{\"create\":{\(index)\"_id\":\"\(Self.identity(event))\"}}\n\(with(time + members, event.line))\n"
    }

    /// A name for an event that no other event has.
    static func identity(_ event: ShippedEvent) -> String {
        let digest = ShortDigest.sha256(Array(event.line.utf8)).prefix(12)
        let text = digest.map { String(UInt16($0) + 256, radix: 16).dropFirst() }.joined()
        return "\(text)-\(event.number)"
    }

    // MARK: Envelope

    private func envelope(_ events: [ShippedEvent]) -> String {
        let lines = events.map(\.line)
        let inner = isSingle ? lines.first ?? "{}" : "[" + lines.joined(separator: ",") + "]"
        let outer = (bucket.map { [Member(name: "bucket", value: $0)] } ?? []) + members
        return "{" + (outer + [Member(name: envelopeKey, value: inner)]).map(\.json).joined(separator: ",") + "}"
    }
}
