/// Integers that no 64-bit type holds, which simdjson refuses although JSON and PostgreSQL know no such limit.
enum LongIntegers {
    /// The JSON text with each integer beyond 64 bits written with an exponent, of the same value; nil when a
    /// number is not one by RFC 8259, section 6.
    ///
    /// Only for parsing: the payload keeps the digits.
    static func asFloats(_ json: [UInt8]) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(json.count + 16)
        var position = 0
        while position < json.count {
            let start = position
            switch json[start] {
            case UInt8(ascii: "\""):
                position = endOfString(json, from: start)
                output.append(contentsOf: json[start..<position])
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                position = json[start...].firstIndex { !isNumberPart($0) } ?? json.count
                guard let isInteger = isInteger(json[start..<position]) else { return nil }
                output.append(contentsOf: json[start..<position])
                if isInteger && position - start >= 19 && Int64(decimal: json[start..<position]) == nil {
                    output.append(contentsOf: "e0".utf8)
                }
            default:
                output.append(json[start])
                position += 1
            }
        }
        return output
    }

    private static func endOfString(_ json: [UInt8], from start: Int) -> Int {
        var position = start + 1
        while position < json.count, json[position] != UInt8(ascii: "\"") {
            position += json[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(position + 1, json.count)
    }

    private static func isNumberPart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    /// Whether a number has neither fraction nor exponent; nil when it is none.
    private static func isInteger(_ number: ArraySlice<UInt8>) -> Bool? {
        var rest = number
        if rest.first == UInt8(ascii: "-") { rest.removeFirst() }
        let whole = rest.removeDigits()
        guard whole > 0, whole == 1 || number[rest.startIndex - whole] != UInt8(ascii: "0") else { return nil }
        if rest.isEmpty { return true }
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            guard rest.removeDigits() > 0 else { return nil }
        }
        if let mark = rest.first, mark | 0x20 == UInt8(ascii: "e") {
            rest.removeFirst()
            if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { rest.removeFirst() }
            guard rest.removeDigits() > 0 else { return nil }
        }
        return rest.isEmpty ? false : nil
    }
}

extension ArraySlice<UInt8> {
    /// Drops the leading decimal digits and says how many there were.
    fileprivate mutating func removeDigits() -> Int {
        let digits = prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
        removeFirst(digits)
        return digits
    }
}

extension Int64 {
    fileprivate init?(decimal number: ArraySlice<UInt8>) {
        self.init(String(decoding: number, as: UTF8.self))
    }
}
