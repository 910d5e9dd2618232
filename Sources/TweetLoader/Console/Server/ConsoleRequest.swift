import Core
import Operations

/// What a page is asked for.
struct ConsoleRequest {
    let path: String
    /// As it came, for a link to the same page.
    let query: String
    private let parameters: [String: String]
    let now: Timestamp

    /// Nil when the query is not percent-encoded UTF-8, or has a NUL, which no text of PostgreSQL has.
    init?(_ question: HTTPQuestion, now: Timestamp = .now()) {
        guard question.query.utf8.count <= 4096, let parameters = Self.parameters(question.query) else { return nil }
        (path, query, self.parameters, self.now) = (question.path, question.query, parameters, now)
    }

    /// A parameter without spaces around it; nil when it is missing or empty.
    subscript(_ name: String) -> String? {
        parameters[name].map { $0.trimmed }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A number; nil when it is missing or no number.
    func number(_ name: String) -> Int64? { self[name].flatMap { Int64($0) } }

    /// A moment; nil when it is missing or none.
    func time(_ name: String) -> Timestamp? {
        // A browser's field has neither seconds nor a zone.
        self[name].flatMap {
            Timestamp($0) ?? Timestamp($0 + ":00Z") ?? Timestamp($0 + "Z") ?? Timestamp(argument: $0, now: now)
        }
    }

    /// One of the choices, the first one without a valid parameter.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(_ name: String, _ usual: Choice) -> Choice {
        self[name].flatMap { Choice(rawValue: $0) } ?? usual
    }

    /// Reads `application/x-www-form-urlencoded`; nil for what is no UTF-8, or has a NUL.
    static func parameters(_ text: String) -> [String: String]? {
        var result: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(parts[0]), let value = decoded(parts.count > 1 ? parts[1] : "") else { return nil }
            result[name] = result[name] ?? value
        }
        return result
    }

    private static func decoded(_ text: Substring) -> String? {
        var (bytes, rest) = ([UInt8](), Array(text.utf8)[...])
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                    value != 0
                else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            case 0: return nil
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
