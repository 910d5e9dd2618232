import Core

/// Reads Java-style properties files, as Kafka's own tools do.
enum KafkaProperties {
    /// The properties of a file's text, as `java.util.Properties.load(Reader)` reads them: `key=value`, `key:value` or
    /// `key value`, `#` and `!` before comments, a backslash at the end of a line, and escapes. White space at the end of a
    /// value belongs to it.
    ///
    /// - Throws: `KafkaClientError` naming the file and line that cannot be read.
    static func parse(_ text: String, file: String) throws(KafkaClientError) -> [String: KafkaConfiguration.Property] {
        var result: [String: KafkaConfiguration.Property] = [:]
        for (number, line) in logicalLines(text) {
            let origin = "\(file):\(number)"
            var keyEnd = 0
            while keyEnd < line.count, !isBlank(line[keyEnd]), line[keyEnd] != "=", line[keyEnd] != ":" {
                keyEnd += line[keyEnd] == "\\" ? 2 : 1
            }
            keyEnd = min(keyEnd, line.count)
            var rest = line[keyEnd...].drop(while: isBlank)
            if let separator = rest.first, separator == "=" || separator == ":" {
                rest = rest.dropFirst().drop(while: isBlank)
            }
            guard let name = unescaped(line[..<keyEnd]), let value = unescaped(rest) else {
                throw KafkaClientError(
                    .operator(.settings), "\(origin): \\u must be followed by four hexadecimal digits")
            }
            // Java reads a key alone as one with an empty value, but no property of Kafka is meant so.
            guard !name.isEmpty, keyEnd < line.count else {
                throw KafkaClientError(.operator(.settings), "\(origin): expected `property=value`")
            }
            result[name] = .init(value, from: origin)
        }
        return result
    }

    /// White space of properties files, which does not include line ends.
    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\u{c}"
    }

    /// Lines with their continuations, without white space at the beginning, blank lines and comments.
    private static func logicalLines(_ text: String) -> [(number: Int, line: [Unicode.Scalar])] {
        var result: [(number: Int, line: [Unicode.Scalar])] = []
        var continued = false
        for (index, raw) in naturalLines(text).enumerated() {
            let trimmed = raw.drop(while: isBlank)
            // A blank line or a comment cannot be continued, but it can continue.
            if !continued, trimmed.isEmpty || trimmed.first == "#" || trimmed.first == "!" { continue }
            let goesOn = trimmed.reversed().prefix { $0 == "\\" }.count % 2 == 1
            let part = goesOn ? trimmed.dropLast() : trimmed
            if continued {
                result[result.count - 1].line += part
            } else {
                result.append((index + 1, Array(part)))
            }
            continued = goesOn
        }
        return result.filter { !$0.line.isEmpty }
    }

    /// Lines that end with LF, CR or both.
    private static func naturalLines(_ text: String) -> [[Unicode.Scalar]] {
        var result: [[Unicode.Scalar]] = [[]]
        var previous: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            if scalar == "\n", previous == "\r" {
                previous = scalar
                continue
            }
            if scalar == "\n" || scalar == "\r" { result.append([]) } else { result[result.count - 1].append(scalar) }
            previous = scalar
        }
        return result
    }

    /// Undoes Java's escapes: `\t \n \r \f \uXXXX` (UTF-16, so pairs of them), and a backslash before any other character
    /// is dropped. Nil when `\u` has no four hexadecimal digits.
    private static func unescaped(_ text: ArraySlice<Unicode.Scalar>) -> String? {
        var units: [UInt16] = []
        var index = text.startIndex
        while index < text.endIndex {
            guard text[index] == "\\", index + 1 < text.endIndex else {
                units += String(text[index]).utf16
                index += 1
                continue
            }
            let letter = text[index + 1]
            index += 2
            if letter == "u" {
                let digits = text[index..<min(index + 4, text.endIndex)]
                guard digits.count == 4, digits.allSatisfy(\.properties.isASCIIHexDigit),
                    let unit = UInt16(String(String.UnicodeScalarView(digits)), radix: 16)
                else { return nil }
                units.append(unit)
                index += 4
            } else {
                let controls: [Unicode.Scalar: Unicode.Scalar] = ["t": "\t", "n": "\n", "r": "\r", "f": "\u{c}"]
                units += String(controls[letter] ?? letter).utf16
            }
        }
        return String(decoding: units, as: UTF16.self)
    }
}
