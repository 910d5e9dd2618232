import Core
import FoundationEssentials

/// What an answer means for the events of the request.
enum ShippingVerdict: Sendable, Equatable {
    /// The receiver has them, apart from some that it has rejected.
    case accepted(rejected: Int)
    /// The receiver has them, apart from those at these places, which it may accept later, and some that it has rejected.
    case partly(again: [Int], rejected: Int, reason: String)
    /// The same request may succeed later.
    case transient(reason: String, after: Duration?)
    /// No request succeeds until somebody has changed something: a token, the URL, a limit at the receiver.
    case refused(reason: String)
    /// The receiver does not accept this request, now or later.
    case invalid(reason: String, isDivisible: Bool)
}

/// How answers of a receiver are read. A pure value.
struct AnswerRules: Sendable {
    var format = ShippingFormat.jsonLines
    /// After which answers the same request may succeed.
    var transient = ShippingFormat.jsonLines.transientStatuses
    /// Which answers mean success; nil: all of 200 to 299.
    var success: Set<Int>?

    /// - Parameters:
    ///   - status: of the answer.
    ///   - retryAfter: what the answer asks for.
    ///   - body: of the answer.
    ///   - count: events of the request.
    /// - Returns: what it means.
    func verdict(_ status: Int, retryAfter: Duration? = nil, body: [UInt8] = [], count: Int) -> ShippingVerdict {
        // Loki: the operator has blocked ingestion, and nothing is stored.
        let isBlocked = format == .loki && status == 260
        if success?.contains(status) ?? (200..<300).contains(status), !isBlocked {
            return accepted(body, count: count)
        }
        let reason = Self.reason(status, body)
        if transient.contains(status) { return .transient(reason: reason, after: retryAfter) }
        switch status {
        case 260, 401, 403, 407: return .refused(reason: reason)
        case 300..<400: return .refused(reason: reason + "; redirects are not followed")
        case 400..<500: return .invalid(reason: reason, isDivisible: true)
        default: return .invalid(reason: reason, isDivisible: false)
        }
    }

    /// The status, and the beginning of what the receiver says about it.
    private static func reason(_ status: Int, _ body: [UInt8]) -> String {
        let text = Redaction.cleanBody(String(decoding: body.prefix(300), as: UTF8.self)).plain.trimmed
        return "HTTP \(status)" + (text.isEmpty ? "" : ": \(text)")
    }

    /// Some receivers report the failure of single events with status 200.
    private func accepted(_ body: [UInt8], count: Int) -> ShippingVerdict {
        switch format {
        case .otlp:
            let answer = try? JSONDecoder().decode(OTLPAnswer.self, from: Data(body))
            let rejected = answer?.partialSuccess?.rejectedLogRecords?.number ?? 0
            return .accepted(rejected: Int(max(0, min(Double(count), rejected))))
        case .elasticBulk:
            guard let answer = try? JSONDecoder().decode(BulkAnswer.self, from: Data(body)) else {
                return .accepted(rejected: 0)
            }
            return answer.verdict(count)
        case .jsonLines, .jsonArray, .loki, .splunkHEC, .envelope: return .accepted(rejected: 0)
        }
    }
}

/// OTLP's `ExportLogsServiceResponse`.
private struct OTLPAnswer: Decodable {
    struct PartialSuccess: Decodable {
        /// A 64-bit integer: a string in JSON, for some a number.
        let rejectedLogRecords: JSONValue?
    }

    let partialSuccess: PartialSuccess?
}

/// The answer of Elasticsearch's bulk API: one item for each action, in their order.
private struct BulkAnswer: Decodable {
    struct Item: Decodable {
        let create: Outcome?
    }

    struct Outcome: Decodable {
        let status: Int
        let error: JSONValue?
    }

    let errors: Bool
    let items: [Item]?

    func verdict(_ count: Int) -> ShippingVerdict {
        guard errors, let items else { return .accepted(rejected: 0) }
        var (again, rejected): ([Int], Int) = ([], 0)
        var reason = ""
        for (place, item) in items.prefix(count).enumerated() {
            guard let outcome = item.create else { continue }
            switch outcome.status {
            case 200..<300: continue
            // It is there already, from an attempt whose answer was lost.
            case 409: continue
            case 429, 503: again.append(place)
            default: rejected += 1
            }
            if reason.isEmpty { reason = "item status \(outcome.status) \(outcome.error?["type"]?.text ?? "")".trimmed }
        }
        return again.isEmpty
            ? .accepted(rejected: rejected) : .partly(again: again, rejected: rejected, reason: reason)
    }
}
