import FoundationEssentials
import Testing

@testable import Core
@testable import LogShipping

/// Bodies of requests, against the shapes that the vendors document.
@Suite(.timeLimit(.minutes(5))) struct LogBodyTests {
    private static let first =
        #"{"service":"tweet-loader","host":"h1","time":"2026-11-20T08:15:30.123Z","level":"info","logger":"tweet-loader","#
        + #""message":"loaded \"it\"","count":9223372036854775807,"ratio":0.5,"flag":true,"list":[1,"a"],"o":{"b":"c"}}"#
    private static let second =
        #"{"service":"tweet-loader","host":"h1","time":"2026-11-20T08:15:31.004Z","level":"error","logger":"kafka","#
        + #""message":"line\nfeed"}"#
    private static let events = [
        ShippedEvent(number: 1, line: first), ShippedEvent(number: 2, line: second),
    ]

    private static func body(
        _ format: ShippingFormat, bucket: String? = nil, _ members: [LogBody.Member] = [], isSingle: Bool = false
    ) -> String {
        var body = LogBody(format: format, bucket: bucket, members: members)
        body.isSingle = isSingle
        return body.text(events)
    }

    /// A JSON text as a value to compare.
    private static func value(_ text: some StringProtocol) throws -> LogValue {
        try JSONDecoder().decode(LogValue.self, from: Data(text.utf8))
    }

    private static let environment = LogBody.Member(name: "env", value: "a\"b")

    @Test func jsonLines() throws {
        #expect(Self.body(.jsonLines) == Self.first + "\n" + Self.second + "\n")
        let lines = Self.body(.jsonLines, [Self.environment]).split(separator: "\n")
        #expect(lines.count == 2)
        guard case .object(let members) = try Self.value(lines[0]) else {
            Issue.record("no object")
            return
        }
        #expect(members["env"] == .string("a\"b") && members["message"] == .string("loaded \"it\""))
        #expect(members["count"] == .integer(.max) && members["flag"] == .bool(true))
    }

    @Test func jsonArray() throws {
        #expect(Self.body(.jsonArray) == "[\(Self.first),\(Self.second)]")
        guard case .array(let all) = try Self.value(Self.body(.jsonArray)) else {
            Issue.record("no array")
            return
        }
        #expect(all.count == 2)
    }

    @Test("Loki: streams by labels, times as strings of nanoseconds (Grafana Loki, HTTP API, `POST /loki/api/v1/push`)")
    func loki() throws {
        let found = try Self.value(Self.body(.loki, [Self.environment]))
        func stream(_ level: String, _ time: String, _ line: String) -> LogValue {
            .object([
                "stream": .object([
                    "service": .string("tweet-loader"), "host": .string("h1"), "level": .string(level),
                    "env": .string("a\"b"),
                ]),
                "values": .array([.array([.string(time), .string(line)])]),
            ])
        }
        let expected = [
            stream("info", "1795162530123000000", Self.first), stream("error", "1795162531004000000", Self.second),
        ]
        #expect(found == .object(["streams": .array(expected)]))
    }

    @Test("OTLP: lowerCamelCase, 64-bit numbers as strings, enumerations as integers (opentelemetry-proto, logs.proto)")
    func otlp() throws {
        let expected = """
            {"resourceLogs":[{"resource":{"attributes":[
            {"key":"service.name","value":{"stringValue":"tweet-loader"}},{"key":"host.name","value":{"stringValue":"h1"}},
            {"key":"env","value":{"stringValue":"a\\"b"}}]},
            "scopeLogs":[{"scope":{"name":"tweet-loader","version":"\(productVersion)"},"logRecords":[
            {"timeUnixNano":"1795162530123000000","severityNumber":9,"severityText":"info",
            "body":{"stringValue":"loaded \\"it\\""},"attributes":[
            {"key":"count","value":{"intValue":"9223372036854775807"}},{"key":"flag","value":{"boolValue":true}},
            {"key":"list","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"a"}]}}},
            {"key":"o","value":{"kvlistValue":{"values":[{"key":"b","value":{"stringValue":"c"}}]}}},
            {"key":"ratio","value":{"doubleValue":0.5}}]}]},
            {"scope":{"name":"kafka","version":"\(productVersion)"},"logRecords":[
            {"timeUnixNano":"1795162531004000000","severityNumber":17,"severityText":"error",
            "body":{"stringValue":"line\\nfeed"},"attributes":[]}]}]}]}
            """
        #expect(try Self.value(Self.body(.otlp, [Self.environment])) == Self.value(expected))
        let severities = ["trace", "debug", "info", "notice", "warning", "error", "critical"].map(LogBody.severity)
        #expect(severities == [1, 5, 9, 10, 13, 17, 21])
    }

    @Test("Splunk: objects one after the other, seconds with milliseconds (HTTP Event Collector, event metadata)")
    func splunk() throws {
        let objects = Self.body(.splunkHEC, bucket: "main", [Self.environment]).split(separator: "\n")
        #expect(objects.count == 2)
        #expect(
            objects[1]
                == #"{"time":1795162531.004,"host":"h1","source":"tweet-loader","sourcetype":"_json","index":"main","#
                + #""fields":{"env":"a\"b"},"event":"# + Self.second + "}")
    }

    @Test("Elastic: two lines an event, ids that repeat with the event (Elasticsearch, bulk API)")
    func elastic() throws {
        let lines = Self.body(.elasticBulk, bucket: "logs").split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 5 && lines[4].isEmpty)
        let id = LogBody.identity(Self.events[0])
        #expect(id.hasSuffix("-1") && id.count == 26 && id != LogBody.identity(Self.events[1]))
        #expect(lines[0] == #"{"create":{"_index":"logs","_id":"\#(id)"}}"#)
        #expect(lines[1].hasPrefix(#"{"@timestamp":"2026-11-20T08:15:30.123Z","service":"tweet-loader","#))
        #expect(Self.body(.elasticBulk).hasPrefix(#"{"create":{"_id":"\#(id)"}}"#))
    }

    @Test func envelope() throws {
        guard case .object(let members) = try Self.value(Self.body(.envelope, bucket: "b", [Self.environment])),
            case .string(let inner)? = members["data"]
        else {
            Issue.record("no envelope")
            return
        }
        #expect(members["bucket"] == .string("b") && members["env"] == .string("a\"b") && members.count == 3)
        #expect(inner == "[\(Self.first),\(Self.second)]")
        guard case .object(let single) = try Self.value(Self.body(.envelope, isSingle: true)),
            case .string(let one)? = single["data"]
        else {
            Issue.record("no envelope")
            return
        }
        #expect(single.count == 1 && one == Self.first)
    }

    @Test("what is no JSON object is shipped as a message, and breaks no body", arguments: ShippingFormat.allCases)
    func odd(format: ShippingFormat) throws {
        let parts = EventParts("half a {\"line")
        #expect(parts.message == "half a {\"line" && parts.time == nil)
        // An event of another version of the program, without the members that this one writes.
        let event = ShippedEvent(number: 1, line: #"{"a":"b"}"#)
        let text = LogBody(format: format).text([event])
        for line in text.split(separator: "\n") { _ = try Self.value(line) }
    }

    @Test func anEventSaysWhereItComesFrom() throws {
        let source = EventSource(service: "tweet-producer", host: "a\"b")
        let adopted = source.adopt(#"{"time":"t","level":"info"}"#)
        #expect(adopted == #"{"service":"tweet-producer","host":"a\"b","time":"t","level":"info"}"#)
        let own = source.line(
            level: "warning", "m", [(name: "n", json: "1")], time: Timestamp(milliseconds: 0))
        let parts = EventParts(own)
        #expect(parts.service == "tweet-producer" && parts.host == "a\"b" && parts.time == Timestamp(milliseconds: 0))
        #expect(parts.attributes.map(\.name) == ["n"] && parts.message == "m" && parts.level == "warning")
    }
}
