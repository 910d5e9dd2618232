extension Character {
    /// Whether it is one of 0 to 9.
    var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}

extension Duration {
    /// Reads `250ms`, `30s`, `5m`, `2h` or `3d`; nil for anything else.
    package init?(setting text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), number <= 1_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": self = .milliseconds(number)
        case "s": self = .seconds(number)
        case "m": self = .seconds(number * 60)
        case "h": self = .seconds(number * 3600)
        case "d": self = .seconds(number * 86_400)
        default: return nil
        }
    }
}

/// Reads `65536`, `64KiB`, `16MiB` or `1GiB`; nil for anything else.
package func parseByteCount(_ text: String) -> Int? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(digits), number <= 1 << 50 else { return nil }
    switch text.dropFirst(digits.count) {
    case "", "B": return number
    case "KiB": return number << 10
    case "MiB": return number << 20
    case "GiB": return number << 30
    default: return nil
    }
}
