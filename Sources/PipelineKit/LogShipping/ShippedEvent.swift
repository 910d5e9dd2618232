import Core
import FoundationEssentials

/// A message of the log on its way to the receiver.
struct ShippedEvent: Sendable, Equatable {
    /// Its number in the queue, from 1 on; 0 for an event that was in no queue.
    var number: Int64 = 0
    /// One JSON object with `service`, `host`, `time`, `level`, `logger`, `message` and the message's metadata.
    var line: String
    /// How many dropped events this one announces; 0 for an event of the log.
    var announced: Int64 = 0

    /// Bytes of the line.
    var bytes: Int { line.utf8.count }
}

/// The members of an event, for formats that want them one by one.
struct EventParts: Sendable {
    /// Milliseconds since 1970; nil when the line has none.
    var time: Timestamp?
    var level = "info"
    var logger = ""
    var message = ""
    var service = ""
    var host = ""
    /// Everything else, by name.
    var attributes: [(name: String, value: LogValue)] = []

    /// Nanoseconds since 1970, as OTLP and Loki write them.
    var nanoseconds: String { "\((time ?? Timestamp(milliseconds: 0)).milliseconds)000000" }

    /// - Parameter line: what is no JSON object becomes the message.
    init(_ line: String) {
        guard case .object(let members)? = try? JSONDecoder().decode(LogValue.self, from: Data(line.utf8)) else {
            message = line
            return
        }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            switch (name, value) {
            case ("time", .string(let text)): time = Timestamp(text)
            case ("level", .string(let text)): level = text
            case ("logger", .string(let text)): logger = text
            case ("message", .string(let text)): message = text
            case ("service", .string(let text)): service = text
            case ("host", .string(let text)): host = text
            default: attributes.append((name, value))
            }
        }
    }
}

/// A value of a message's metadata.
enum LogValue: Decodable, Sendable, Equatable {
    case string(String)
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case array([LogValue])
    case object([String: LogValue])
    case null

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let bool = try? container.decode(Bool.self) {
            self = .bool(bool)
        } else if let integer = try? container.decode(Int64.self) {
            self = .integer(integer)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let array = try? container.decode([LogValue].self) {
            self = .array(array)
        } else if let object = try? container.decode([String: LogValue].self) {
            self = .object(object)
        } else {
            self = .null
        }
    }
}

/// What every event of this process says about the process.
struct EventSource: Sendable {
    /// The program.
    let service: String
    /// The host's name.
    let host: String

    /// A message of the log as it is shipped.
    ///
    /// - Parameter line: one JSON object.
    /// - Returns: the object with `service` and `host`.
    func adopt(_ line: String) -> String {
        line.hasPrefix("{\"") ? "{" + members + "," + line.dropFirst() : line
    }

    /// An event that no logger has made.
    ///
    /// - Parameters:
    ///   - level: as loggers name it.
    ///   - message: a constant text.
    ///   - fields: names, and values as JSON.
    ///   - time: when it happened.
    /// - Returns: one JSON object.
    func line(level: String, _ message: String, _ fields: [(name: String, json: String)], time: Timestamp) -> String {
        let all = [
            members, "\"time\":\"\(time)\"", "\"level\":\"\(level)\"", "\"logger\":\"log-shipping\"",
            "\"message\":\(JSONText.string(message))",
        ]
        return "{" + (all + fields.map { "\(JSONText.string($0.name)):\($0.json)" }).joined(separator: ",") + "}"
    }

    private var members: String {
        "\"service\":\(JSONText.string(service)),\"host\":\(JSONText.string(host))"
    }
}
