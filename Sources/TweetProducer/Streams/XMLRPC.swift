import Core

/// A value of XML-RPC (xmlrpc.com/spec.md), of which supervisord uses these.
enum XMLRPCValue: Equatable, Sendable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([XMLRPCValue])
    case members([String: XMLRPCValue])
    case none

    /// A member of a structure; nil for anything else.
    subscript(_ name: String) -> XMLRPCValue? {
        if case .members(let members) = self { members[name] } else { nil }
    }

    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    var number: Int? {
        if case .number(let number) = self { number } else { nil }
    }

    /// The elements of a list; none for anything else.
    var elements: [XMLRPCValue] {
        if case .list(let elements) = self { elements } else { [] }
    }

    /// As a parameter of a call.
    fileprivate var xml: String {
        switch self {
        case .text(let text): "<string>\(Self.escaped(text))</string>"
        case .number(let number): "<int>\(number)</int>"
        case .flag(let flag): "<boolean>\(flag ? 1 : 0)</boolean>"
        case .list, .members, .none: "<nil/>"
        }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}

/// Calls and answers of XML-RPC.
enum XMLRPC {
    /// What a server answers in place of a value.
    struct Fault: Error, Equatable {
        let code: Int
        let text: String
    }

    /// An answer that cannot be read.
    struct Malformed: Error {}

    /// The body of a call.
    ///
    /// - Parameters:
    ///   - method: such as `supervisor.getState`.
    ///   - parameters: texts, numbers and flags.
    /// - Returns: the bytes.
    static func call(_ method: String, _ parameters: [XMLRPCValue]) -> [UInt8] {
        let values = parameters.map { "<param><value>\($0.xml)</value></param>" }.joined()
        return Array(
            "<?xml version=\"1.0\"?><methodCall><methodName>\(method)</methodName><params>\(values)</params></methodCall>"
                .utf8)
    }

    /// The value of an answer.
    ///
    /// - Parameter body: of the answer.
    /// - Returns: its only value.
    /// - Throws: `Fault` that the server reports, or `Malformed`.
    static func value(of body: [UInt8]) throws -> XMLRPCValue {
        var reader = XMLRPCReader(String(decoding: body, as: UTF8.self))
        let isFault = reader.skip(to: ["<fault>", "<params>"]) == "<fault>"
        guard reader.skip(to: ["<value>", "<value/>"]) != nil else { throw Malformed() }
        let value = try reader.value()
        guard isFault else { return value }
        guard let code = value["faultCode"]?.number, let text = value["faultString"]?.text else { throw Malformed() }
        throw Fault(code: code, text: text)
    }
}

/// Reads one value, tag by tag; attributes do not occur in XML-RPC.
private struct XMLRPCReader {
    private var rest: Substring

    init(_ text: String) { rest = Substring(text) }

    /// Goes behind the first of some tags; nil when none of them follows.
    mutating func skip(to tags: [String]) -> String? {
        let found = tags.compactMap { tag in rest.firstRange(of: tag).map { (tag, $0) } }
            .min { $0.1.lowerBound < $1.1.lowerBound }
        guard let found else { return nil }
        rest = rest[found.1.upperBound...]
        return found.0
    }

    /// The value whose `<value>` was just read, up to and including its end.
    mutating func value() throws -> XMLRPCValue {
        let text = takeText()
        let tag = try takeTag()
        if tag == "/value" { return .text(text) }
        let value = try value(of: tag)
        try expect("/value")
        return value
    }

    private mutating func value(of tag: String) throws -> XMLRPCValue {
        switch tag {
        case "nil/", "nil /": return .none
        case "string/": return .text("")
        case "array": return try list()
        case "struct": return try members()
        default: break
        }
        let text = takeText()
        try expect("/" + tag)
        switch tag {
        case "int", "i4", "i8":
            guard let number = Int(text.trimmed) else { throw XMLRPC.Malformed() }
            return .number(number)
        case "boolean": return .flag(text.trimmed == "1")
        default: return .text(text)
        }
    }

    private mutating func list() throws -> XMLRPCValue {
        var elements: [XMLRPCValue] = []
        if try takeTag() == "data" {
            while try takeTag() == "value" { elements.append(try value()) }
        }
        try expect("/array")
        return .list(elements)
    }

    private mutating func members() throws -> XMLRPCValue {
        var members: [String: XMLRPCValue] = [:]
        while try takeTag() == "member" {
            try expect("name")
            let name = takeText()
            try expect("/name")
            try expect("value")
            members[name] = try value()
            try expect("/member")
        }
        return .members(members)
    }

    private mutating func expect(_ tag: String) throws {
        guard try takeTag() == tag else { throw XMLRPC.Malformed() }
    }

    /// The next tag without its brackets; white space before it is passed over.
    private mutating func takeTag() throws -> String {
        rest = rest.drop(while: \.isWhitespace)
        guard rest.first == "<", let end = rest.firstIndex(of: ">") else { throw XMLRPC.Malformed() }
        let tag = rest[rest.index(after: rest.startIndex)..<end]
        rest = rest[rest.index(after: end)...]
        return String(tag)
    }

    /// The text up to the next tag.
    private mutating func takeText() -> String {
        let text = rest.prefix { $0 != "<" }
        rest = rest[text.endIndex...]
        return Self.unescaped(text)
    }

    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("&") else { return String(text) }
        return String(text).replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
            .replacing("&apos;", with: "'").replacing("&#13;", with: "\r").replacing("&amp;", with: "&")
    }
}
