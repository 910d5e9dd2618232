/// Reads Java-style properties files, as Kafka's own tools do.
enum KafkaProperties {
    /// The properties of a file's text: `key=value`, `key: value` or `key value`; `#` and `!` begin comments,
    /// a backslash at the end of a line goes on with the next (java.util.Properties).
    ///
    /// - Throws: `Failure` (78) naming the file and line that cannot be read.
    static func parse(_ text: String, file: String) throws(Failure) -> [String: KafkaConfiguration.Property] {
        var result: [String: KafkaConfiguration.Property] = [:]
        for (number, line) in logicalLines(text) {
            let origin = "\(file):\(number)"
            let nameEnd = line.firstIndex { $0 == "=" || $0 == ":" || $0.isWhitespace } ?? line.endIndex
            let name = String(line[..<nameEnd])
            var rest = line[nameEnd...].drop(while: \.isWhitespace)
            if let separator = rest.first, separator == "=" || separator == ":" {
                rest = rest.dropFirst().drop(while: \.isWhitespace)
            }
            guard !name.isEmpty, nameEnd != line.endIndex else {
                throw Failure(.badSettings, "\(origin): expected `property=value`")
            }
            result[name] = .init(String(rest), from: origin)
        }
        return result
    }

    private static func logicalLines(_ text: String) -> [(number: Int, line: String)] {
        var result: [(number: Int, line: String)] = []
        var continued = false
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let trimmed = raw.drop(while: \.isWhitespace)
            if !continued, trimmed.isEmpty || trimmed.hasPrefix("#") || trimmed.hasPrefix("!") { continue }
            let backslashes = trimmed.reversed().prefix { $0 == "\\" }.count
            let goesOn = backslashes % 2 == 1
            let part = goesOn ? trimmed.dropLast() : trimmed
            if continued {
                result[result.count - 1].line += part
            } else {
                result.append((index + 1, String(part)))
            }
            continued = goesOn
        }
        return result.map { line in
            var text = line.line
            while text.last?.isWhitespace == true { text.removeLast() }
            return (line.number, text)
        }
    }
}
