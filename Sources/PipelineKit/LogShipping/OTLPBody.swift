import Core

/// OTLP/HTTP with JSON (OpenTelemetry protocol specification, "JSON Protobuf Encoding"): names in lowerCamelCase, 64-bit
/// integers as strings, enumerations as integers.
extension LogBody {
    /// One resource for each service and host, and in it one scope for each logger.
    func otlp(_ events: [ShippedEvent]) -> String {
        var resources: [(attributes: String, scopes: [(name: String, records: [String])])] = []
        for event in events {
            let parts = EventParts(event.line)
            let attributes = resourceAttributes(parts)
            let place =
                resources.firstIndex { $0.attributes == attributes }
                ?? {
                    resources.append((attributes, []))
                    return resources.count - 1
                }()
            let record = Self.record(parts)
            if let scope = resources[place].scopes.firstIndex(where: { $0.name == parts.logger }) {
                resources[place].scopes[scope].records.append(record)
            } else {
                resources[place].scopes.append((parts.logger, [record]))
            }
        }
        let texts = resources.map { resource in
            let scopes = resource.scopes.map {
                "{\"scope\":{\"name\":\(JSONText.string($0.name)),\"version\":\"\(productVersion)\"},"
                    + "\"logRecords\":[\($0.records.joined(separator: ","))]}"
            }
            return
                "{\"resource\":{\"attributes\":\(resource.attributes)},\"scopeLogs\":[\(scopes.joined(separator: ","))]}"
        }
        return "{\"resourceLogs\":[\(texts.joined(separator: ","))]}"
    }

    /// Names of OpenTelemetry's semantic conventions, and the constants of the settings.
    private func resourceAttributes(_ parts: EventParts) -> String {
        let own = [("service.name", parts.service), ("host.name", parts.host)] + members.map { ($0.name, $0.value) }
        return "[" + own.map { Self.attribute($0.0, .string($0.1)) }.joined(separator: ",") + "]"
    }

    private static func record(_ parts: EventParts) -> String {
        let attributes = parts.attributes.map { attribute($0.name, $0.value) }.joined(separator: ",")
        return "{\"timeUnixNano\":\"\(parts.nanoseconds)\",\"severityNumber\":\(severity(parts.level)),"
            + "\"severityText\":\(JSONText.string(parts.level)),"
            + "\"body\":{\"stringValue\":\(JSONText.string(parts.message))},\"attributes\":[\(attributes)]}"
    }

    /// OpenTelemetry's number of a level (logs data model, "Field: SeverityNumber").
    static func severity(_ level: String) -> Int {
        switch level {
        case "trace": 1
        case "debug": 5
        case "notice": 10
        case "warning": 13
        case "error": 17
        case "critical": 21
        default: 9
        }
    }

    private static func attribute(_ name: String, _ value: LogValue) -> String {
        "{\"key\":\(JSONText.string(name)),\"value\":\(any(value))}"
    }

    /// An `AnyValue`.
    private static func any(_ value: LogValue) -> String {
        switch value {
        case .string(let text): return "{\"stringValue\":\(JSONText.string(text))}"
        case .bool(let bool): return "{\"boolValue\":\(bool)}"
        case .integer(let integer): return "{\"intValue\":\"\(integer)\"}"
        case .number(let number): return "{\"doubleValue\":\(number)}"
        case .array(let values):
            return "{\"arrayValue\":{\"values\":[\(values.map(any).joined(separator: ","))]}}"
        case .object(let members):
            let texts = members.sorted { $0.key < $1.key }.map { attribute($0.key, $0.value) }
            return "{\"kvlistValue\":{\"values\":[\(texts.joined(separator: ","))]}}"
        case .null: return "{}"
        }
    }
}
