import Testing

@testable import LogShipping

/// What answers of receivers mean.
@Suite(.timeLimit(.minutes(5))) struct AnswerRulesTests {
    private static func rules(_ format: ShippingFormat) -> AnswerRules {
        AnswerRules(format: format, transient: format.transientStatuses)
    }

    private static func kind(_ verdict: ShippingVerdict) -> String {
        switch verdict {
        case .accepted(let rejected): "accepted \(rejected)"
        case .partly(let again, let rejected, _): "again \(again) rejected \(rejected)"
        case .transient: "transient"
        case .refused: "refused"
        case .invalid(_, let isDivisible): isDivisible ? "divide" : "drop"
        }
    }

    @Test(
        "by status",
        arguments: [
            (.jsonLines, 200, "accepted 0"), (.jsonLines, 204, "accepted 0"), (.jsonLines, 260, "accepted 0"),
            (.jsonLines, 301, "refused"), (.jsonLines, 307, "refused"), (.jsonLines, 400, "divide"),
            (.jsonLines, 401, "refused"), (.jsonLines, 403, "refused"), (.jsonLines, 404, "divide"),
            (.jsonLines, 407, "refused"), (.jsonLines, 408, "transient"), (.jsonLines, 413, "divide"),
            (.jsonLines, 429, "transient"), (.jsonLines, 500, "transient"), (.jsonLines, 501, "drop"),
            (.jsonLines, 502, "transient"), (.jsonLines, 503, "transient"), (.jsonLines, 504, "transient"),
            // Loki: 260 is "ingestion blocked", although it is of the 200s.
            (.loki, 204, "accepted 0"), (.loki, 260, "refused"), (.loki, 429, "transient"), (.loki, 400, "divide"),
            // OTLP: "all other 4xx or 5xx response status codes MUST NOT be retried".
            (.otlp, 200, "accepted 0"), (.otlp, 408, "divide"), (.otlp, 429, "transient"), (.otlp, 500, "drop"),
            (.otlp, 502, "transient"), (.otlp, 503, "transient"), (.otlp, 504, "transient"),
        ] as [(ShippingFormat, Int, String)])
    func status(format: ShippingFormat, status: Int, expected: String) {
        #expect(Self.kind(Self.rules(format).verdict(status, count: 3)) == expected)
    }

    @Test func statusesOfTheSettings() {
        let rules = AnswerRules(format: .envelope, transient: [404], success: [201])
        #expect(Self.kind(rules.verdict(201, count: 1)) == "accepted 0")
        #expect(Self.kind(rules.verdict(200, count: 1)) == "drop")
        #expect(Self.kind(rules.verdict(404, count: 1)) == "transient")
    }

    @Test func theReasonIsTheBeginningOfTheAnswerWithoutSecrets() {
        let body = Array("bad\u{1B}[2J token=abcdef \(String(repeating: "x", count: 1000))".utf8)
        guard case .invalid(let reason, _) = Self.rules(.jsonLines).verdict(400, body: body, count: 1) else {
            Issue.record("not invalid")
            return
        }
        #expect(reason.hasPrefix("HTTP 400: bad [2J token=*** xxx") && reason.count < 350)
    }

    @Test("OTLP: what a partial success rejects is counted and not sent again")
    func partialSuccess() {
        let rules = Self.rules(.otlp)
        func verdict(_ body: String) -> String { Self.kind(rules.verdict(200, body: Array(body.utf8), count: 3)) }
        #expect(verdict("{}") == "accepted 0")
        #expect(verdict("") == "accepted 0")
        #expect(verdict(#"{"partialSuccess":{}}"#) == "accepted 0")
        #expect(verdict(#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"old"}}"#) == "accepted 2")
        #expect(verdict(#"{"partialSuccess":{"rejectedLogRecords":7}}"#) == "accepted 3")
    }

    @Test("Elastic: 200 with errors inside; 409 is there already, 429 comes again, the rest is rejected")
    func bulkItems() {
        let rules = Self.rules(.elasticBulk)
        func items(_ statuses: [Int]) -> [UInt8] {
            let items = statuses.map { #"{"create":{"_id":"x","status":\#($0),"error":{"type":"t\#($0)"}}}"# }
            return Array(#"{"took":1,"errors":true,"items":[\#(items.joined(separator: ","))]}"#.utf8)
        }
        #expect(
            Self.kind(rules.verdict(200, body: items([201, 409, 429, 400, 503]), count: 5)) == "again [2, 4] rejected 1"
        )
        #expect(Self.kind(rules.verdict(200, body: items([201, 400]), count: 2)) == "accepted 1")
        #expect(
            Self.kind(rules.verdict(200, body: Array(#"{"errors":false,"items":[]}"#.utf8), count: 2)) == "accepted 0")
    }
}
