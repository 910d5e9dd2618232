/// Writes compact JSON (RFC 8259) into bytes, members in the order they are given.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false
    /// Whether what is not ASCII is written as `\uXXXX`, surrogate pairs included.
    private let escapesNonASCII: Bool

    init(escapesNonASCII: Bool = false) {
        self.escapesNonASCII = escapesNonASCII
        bytes.reserveCapacity(4096)
    }

    mutating func object(_ body: (inout JSONWriter) -> Void) {
        enclose("{", "}", body)
    }

    mutating func array<Element>(_ elements: some Sequence<Element>, _ body: (inout JSONWriter, Element) -> Void) {
        enclose("[", "]") { writer in
            for element in elements { body(&writer, element) }
        }
    }

    mutating func key(_ name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    mutating func string(_ text: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        if text.utf8.allSatisfy(isPlain) {
            bytes += text.utf8
        } else {
            for scalar in text.unicodeScalars { append(scalar) }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// A number, or `true` or `false`.
    mutating func literal(_ value: some CustomStringConvertible) {
        separate()
        bytes += value.description.utf8
    }

    /// A value that is JSON already.
    mutating func raw(_ value: [UInt8]) {
        separate()
        bytes += value
    }

    mutating func field(_ name: String, _ text: String) {
        key(name)
        string(text)
    }

    mutating func field(_ name: String, literal value: some CustomStringConvertible) {
        key(name)
        literal(value)
    }

    mutating func field(_ name: String, _ texts: [String]) {
        key(name)
        array(texts) { $0.string($1) }
    }

    mutating func field(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        object(body)
    }

    /// An array of objects; nothing when it would be empty, as X leaves empty values out.
    mutating func field<Element>(_ name: String, objects: [Element], _ body: (inout JSONWriter, Element) -> Void) {
        guard !objects.isEmpty else { return }
        key(name)
        array(objects) { writer, element in writer.object { body(&$0, element) } }
    }

    private mutating func enclose(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void) {
        separate()
        bytes.append(UInt8(ascii: open))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    /// Whether a byte of UTF-8 stands for itself in a string.
    private func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), ..<0x20: false
        case 0x7f...: !escapesNonASCII
        default: true
        }
    }

    private mutating func append(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": bytes += [92, 34]
        case "\\": bytes += [92, 92]
        case "\n": bytes += [92, 110]
        case "\t": bytes += [92, 116]
        case _ where scalar.value < 0x20 || (escapesNonASCII && scalar.value > 0x7e):
            for unit in UTF16.encode(scalar) ?? .init() { escape(unit) }
        case _ where scalar.isASCII: bytes.append(UInt8(scalar.value))
        default: bytes += UTF8.encode(scalar) ?? .init()
        }
    }

    private mutating func escape(_ unit: UInt16) {
        let digits = String(unit, radix: 16)
        bytes += "\\u".utf8
        bytes += String(repeating: "0", count: 4 - digits.utf8.count).utf8
        bytes += digits.utf8
    }
}
