import Core
import FoundationEssentials
import TweetFormat

/// One event as it is stored: every member decoded and checked, so that PostgreSQL casts nothing out of the line.
///
/// Anybody may write to the topic. A member that cannot be true is left out, and `problem` names it.
struct EventRow {
    let index: Int
    let message: Batch.Message
    let type: String
    let at: Timestamp?
    let connection: Int64?
    let cause: String?
    let detail: String?
    let payload: String
    let lastReceivedAt: Timestamp?
    let newestID: Int64?
    /// How many lines or posts the event speaks of.
    let lines: Int64?
    /// What a repair did; nil for every other event.
    let repair: Repair?
    /// The whole event; nil for a message of X.
    let event: PipelineEvent?
    /// Which members were left out; nil when none was.
    let problem: String?

    struct Repair {
        /// The sequence number of the event that opened the gap.
        let gap: Int64
        /// Nil when the gap stays open.
        let isExact: Bool?
    }

    init(_ event: Batch.Event, _ message: Batch.Message, _ raw: [UInt8]) {
        var cleaned: [UInt8] = []
        unsafe raw[message.value ?? 0..<0].withUnsafeBytes { _ = unsafe CleanText.clean($0, into: &cleaned) }
        let payload = String(decoding: cleaned, as: UTF8.self)
        switch event.content {
        case .pipeline(let content): self.init(content, index: event.message, message, payload: payload)
        case .control(let content): self.init(content, index: event.message, message, payload: payload)
        }
    }

    private init(_ event: PipelineEvent, index: Int, _ message: Batch.Message, payload: String) {
        var check = MemberCheck()
        self.index = index
        self.message = message
        self.payload = payload
        self.event = event
        type = event.type == .unknown ? Self.writtenType(payload) : event.type.rawValue
        at = check.time("at", event.at) ?? message.headers?.receivedAt
        connection = check.number("connection", event.connection)
        cause = event.cause.map(storable)
        detail = event.detail.map(storable)
        lastReceivedAt = check.time("last_received_at", event.lastReceivedAt)
        newestID = check.number("newest_id", event.newestID)
        lines = check.number("lines", event.lines)
        repair = check.repair(event)
        problem = check.problem
    }

    /// The name of an event's type as its line has it.
    private static func writtenType(_ payload: String) -> String {
        let line = try? JSONDecoder().decode(JSONValue.self, from: Data(payload.utf8))
        return line?["pipeline_event"]?["type"]?.text.map(storable) ?? PipelineEvent.Kind.unknown.rawValue
    }

    private init(_ control: ControlMessage, index: Int, _ message: Batch.Message, payload: String) {
        let (first, source) = (control.problems.first, message.headers)
        self.index = index
        self.message = message
        self.payload = payload
        event = nil
        type = "x_message"
        at = source?.receivedAt
        connection = source.flatMap { $0.connection == 0 ? nil : $0.connection }
        cause = (first?.disconnectType ?? first?.connectionIssue ?? first?.title).map(storable)
        detail = (first?.detail ?? first?.message).map(storable)
        lastReceivedAt = nil
        newestID = nil
        lines = nil
        repair = nil
        problem = nil
    }
}

/// Checks members of an event, and collects those that cannot be true.
private struct MemberCheck {
    private var names: [String] = []

    /// What to store of it; nil when every member was good.
    var problem: String? { names.isEmpty ? nil : "left out: \(names.joined(separator: ", "))" }

    mutating func time(_ name: String, _ text: String?) -> Timestamp? {
        guard let text else { return nil }
        return kept(name, Timestamp(text).flatMap { $0.isStorable ? $0 : nil })
    }

    mutating func number(_ name: String, _ text: String?) -> Int64? {
        guard let text else { return nil }
        return kept(name, Int64(text).flatMap { $0 >= 0 ? $0 : nil })
    }

    mutating func number(_ name: String, _ number: Int64?) -> Int64? {
        guard let number else { return nil }
        return kept(name, number >= 0 ? number : nil)
    }

    mutating func repair(_ event: PipelineEvent) -> EventRow.Repair? {
        guard event.type == .repaired || event.type == .repairFailed else { return nil }
        guard let gap = kept("seq", event.seq.flatMap { $0 > 0 ? $0 : nil }) else { return nil }
        return EventRow.Repair(gap: gap, isExact: event.type == .repaired ? event.exact ?? false : nil)
    }

    private mutating func kept<Value>(_ name: String, _ value: Value?) -> Value? {
        if value == nil { names.append(name) }
        return value
    }
}

extension Timestamp {
    /// Whether PostgreSQL reads it as text: it knows no year 0, and RFC 3339 has four digits.
    var isStorable: Bool { (-62_135_596_800_000..<253_402_300_800_000).contains(milliseconds) }
}
