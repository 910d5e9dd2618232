import TweetFormat

/// What a cell shows, before it is written in the form of the table.
enum CellValue {
    /// Nothing is known.
    case none
    /// A value of the line: text, a number, a truth value, or a list, which becomes JSON.
    case node(JSONNode)
    /// A text of our own.
    case text(String)
    /// JSON of our own.
    case json(String)
    /// Texts with a prefix, as a JSON list.
    case texts(StaticString, [JSONNode])
    /// Objects as a JSON list; `{}` for one that is missing.
    case objects([JSONNode?])

    init(_ node: JSONNode?) {
        self = node.map(CellValue.node) ?? .none
    }

    init(_ text: String?) {
        self = text.map(CellValue.text) ?? .none
    }
}

/// How a value came to be in a cell, which decides how it is protected.
enum CellKind {
    case nothing, text, number, json
}

extension [UInt8] {
    /// Appends a value as the content of a cell, without quotation marks; an object is nothing.
    ///
    /// Truth values are `True` and `False`, as pandas writes them.
    mutating func append(cell value: CellValue) -> CellKind {
        switch value {
        case .none: return .nothing
        case .text(let text):
            append(contentsOf: text.utf8)
            return .text
        case .json(let text):
            append(contentsOf: text.utf8)
            return .json
        case .texts(let prefix, let nodes):
            append(list: nodes) { element, bytes in bytes.append(jsonString: element.string, prefix: prefix) }
            return .json
        case .objects(let nodes):
            append(list: nodes) { element, bytes in
                if let element { bytes.append(json: element) } else { bytes.append(contentsOf: "{}".utf8) }
            }
            return .json
        case .node(let node): return append(cell: node)
        }
    }

    private mutating func append(cell node: JSONNode) -> CellKind {
        if let string = node.string {
            unsafe append(contentsOf: string.bytes)
            return .text
        }
        if let bool = node.bool {
            append(contentsOf: (bool ? "True" : "False").utf8)
            return .number
        }
        if node.isArray {
            append(json: node)
            return .json
        }
        guard !node.isObject, !node.isNull else { return .nothing }
        append(json: node)
        return .number
    }

    /// Appends a value as compact JSON (RFC 8259).
    mutating func append(json node: JSONNode) {
        if node.isObject {
            append(UInt8(ascii: "{"))
            var isFirst = true
            for member in node.members {
                if !isFirst { append(UInt8(ascii: ",")) }
                isFirst = false
                append(jsonString: member.name)
                append(UInt8(ascii: ":"))
                append(json: member.value)
            }
            append(UInt8(ascii: "}"))
        } else if node.isArray {
            append(list: node.elements.map(\.self)) { element, bytes in bytes.append(json: element) }
        } else if let string = node.string {
            append(jsonString: string)
        } else if let integer = node.integer {
            append(contentsOf: String(integer).utf8)
        } else if let double = node.double {
            append(contentsOf: "\(double)".utf8)
        } else {
            append(contentsOf: (node.bool.map { $0 ? "true" : "false" } ?? "null").utf8)
        }
    }

    private mutating func append<Item>(list: [Item], _ body: (Item, inout [UInt8]) -> Void) {
        append(UInt8(ascii: "["))
        for (index, element) in list.enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            body(element, &self)
        }
        append(UInt8(ascii: "]"))
    }

    /// Appends a JSON string with its quotation marks; null for none.
    private mutating func append(jsonString text: JSONString?, prefix: StaticString = "") {
        guard let text else { return append(contentsOf: "null".utf8) }
        append(UInt8(ascii: "\""))
        append(contentsOf: "\(prefix)".utf8)
        for offset in 0..<text.count { append(jsonByte: text[offset]) }
        append(UInt8(ascii: "\""))
    }

    private mutating func append(jsonByte byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append(contentsOf: #"\""#.utf8)
        case UInt8(ascii: "\\"): append(contentsOf: #"\\"#.utf8)
        case UInt8(ascii: "\n"): append(contentsOf: #"\n"#.utf8)
        case UInt8(ascii: "\r"): append(contentsOf: #"\r"#.utf8)
        case UInt8(ascii: "\t"): append(contentsOf: #"\t"#.utf8)
        case ..<0x20:
            append(contentsOf: (byte < 16 ? "\\u000" : "\\u00").utf8)
            append(contentsOf: String(byte, radix: 16).utf8)
        default: append(byte)
        }
    }
}
