import Core
import FoundationEssentials

/// What happened to a stream, journalled in its place as a line of its own: `{"pipeline_event":{…}}`.
///
/// It has a sequence number like every line, travels to the events topic, and the loader makes the gap ledger of it.
package struct PipelineEvent: Codable, Sendable, Equatable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        /// The producer started; `detail` says with which version.
        case started
        /// A connection delivers; `connection` is its id, `status` the HTTP status.
        case connected
        /// A connection ended; `cause` says why, `last_received_at`, `newest_id` and `caught_up_at` where the gap begins.
        case disconnected
        /// A connection could not be made; `cause`, `status` and `detail` say why. Journalled once for a run of equal failures.
        case connectFailed = "connect_failed"
        /// Bytes at the end of the journal that were never durable and were cut off at start; `bytes` says how many.
        case tornTail = "torn_tail"
        /// A line that cannot be a message; `seq`, `bytes` and `head` (base64) say which, `cause` why.
        case rejected
        /// Lines that were dropped before Kafka had them, to make room; `seq` is the first, `lines` says how many.
        case dropped
        /// The connection is alive but brings far fewer posts than usual; `lines` and `detail` say how few. It stays open.
        case quiet
        /// Posts arrive at the usual rate again after `quiet`.
        case lively
        /// A gap was filled; `seq` is that of the event that opened it, `cause` how (`backfill`, `recovery`, `search`), `lines`
        /// how many posts that brought, `exact` whether X replayed all of it; `connection` marks the lines that it brought.
        case repaired
        /// A gap could not be filled and stays open; fields as with `repaired`, `detail` says why.
        case repairFailed = "repair_failed"
        /// The rules at X are not those of the file; `cause` says how (`missing`, `changed`, `extra`, `taken`), `lines` how
        /// many, `detail` which. Journalled when that changes.
        case rulesDiffer = "rules_differ"
        /// The rules at X are those of the file again.
        case rulesAgree = "rules_agree"
        /// Rules bring no posts; `lines` says how many, `detail` which. Journalled when that changes.
        case rulesSilent = "rules_silent"
        /// Every rule brings posts again.
        case rulesHeard = "rules_heard"
        /// The rules at X, all of them, at start and whenever they have changed: `rules`, or a part of them in a list of `parts`
        /// events with the same `at`, of which this is number `part`; `lines` says how many rules there are in all.
        case rules
        /// This producer reads the stream in place of another one; `last_received_at` and `newest_id` are those of the last line
        /// of the stream that Kafka had, where the gap begins; `detail` says whose line that was.
        case handedOver = "handed_over"
        /// Another producer reads the stream, and this one is ready to take over; `cause` says why. It ends what this journal has
        /// of a gap: the other producer declares its own.
        case passive
        /// How many posts came in a minute, with STANDBY=active; `at` is its beginning, `lines` says how many.
        case tally
        /// `streams apply` has started, changed, stopped or removed the stream (`cause`): `settings_before` and `settings_after` are
        /// hashes of its settings, and `detail` names those that differ.
        case applied
        /// The producer drained and ended.
        case stopped
        /// An operator accepted a gap as lost; `seq` is that of the event that opened it, `detail` the reason.
        case gapClosed = "gap_closed"
        /// An operator dismissed a journal that nothing uses any more; `cause` is its id, `detail` the reason.
        case journalForgotten = "journal_forgotten"
        /// Of a later version than this one: it is stored under the name in its line, and nothing follows from it. Never journalled.
        case unknown

        /// Reads the name; a well-formed one that this version does not know is `unknown`.
        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let name = try container.decode(String.self)
            guard let kind = Kind(rawValue: name) ?? (Self.isName(name) ? .unknown : nil) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not the name of a type")
            }
            self = kind
        }

        private static func isName(_ text: String) -> Bool {
            (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (97...122).contains($0) || $0 == 95 }
        }
    }

    /// A rule at X, in an event of type `rules`.
    package struct Rule: Codable, Sendable, Equatable {
        package let id: String
        package let value: String
        package let tag: String?

        package init(id: String, value: String, tag: String?) {
            self.id = id
            self.value = value
            self.tag = tag
        }
    }

    package var type: Kind
    /// When it happened, RFC 3339 with milliseconds.
    package var at: String
    package var connection: String?
    package var cause: String?
    package var detail: String?
    package var status: Int?
    package var lastReceivedAt: String?
    package var newestID: String?
    package var caughtUpAt: String?
    package var lines: Int64?
    package var bytes: Int64?
    package var seq: Int64?
    package var head: String?
    package var exact: Bool?
    package var rules: [Rule]?
    package var part: Int?
    package var parts: Int?
    package var settingsBefore: String?
    package var settingsAfter: String?

    private enum CodingKeys: String, CodingKey {
        case type, at, connection, cause, detail, status
        case lastReceivedAt = "last_received_at"
        case newestID = "newest_id"
        case caughtUpAt = "caught_up_at"
        case lines, bytes, seq, head, exact, rules, part, parts
        case settingsBefore = "settings_before"
        case settingsAfter = "settings_after"
    }

    package init(_ type: Kind, at: Timestamp = .now(), connection: Int64? = nil, cause: String? = nil) {
        self.type = type
        self.at = at.description
        self.connection = connection.map(String.init)
        self.cause = cause
    }

    /// Takes over how long a rejected line is, and its first KiB.
    package mutating func setRejectedBytes(_ line: UnsafeRawBufferPointer) {
        bytes = Int64(line.count)
        head = unsafe Data(line.prefix(1024)).base64EncodedString()
    }

    private struct Envelope: Codable {
        let pipelineEvent: PipelineEvent

        enum CodingKeys: String, CodingKey {
            case pipelineEvent = "pipeline_event"
        }
    }

    /// The journal line, without its line end.
    package var line: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return Array(try encoder.encode(Envelope(pipelineEvent: self))) } catch {
            preconditionFailure("strings and integers always encode: \(error)")
        }
    }

    /// Why a line with `pipeline_event` is none that can be read: the member and what is wrong with it, never its value.
    package static func problem(of line: [UInt8]) -> String {
        do {
            _ = try JSONDecoder().decode(Envelope.self, from: Data(line))
            return "none"
        } catch DecodingError.keyNotFound(let key, _) {
            return "\(key.stringValue) is missing"
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
            return "\(context.codingPath.last?.stringValue ?? "the line") is of the wrong type"
        } catch DecodingError.dataCorrupted(let context) {
            // Foundation does not say which number does not fit.
            return "\(context.codingPath.last?.stringValue ?? "a member") has a value that is unknown or out of range"
        } catch {
            return "it cannot be read"
        }
    }

    /// Reads a journal line; nil when it is not a pipeline event.
    package init?(line: [UInt8]) {
        guard let envelope = try? JSONDecoder().decode(Envelope.self, from: Data(line)) else { return nil }
        self = envelope.pipelineEvent
    }
}
