/// Splits a rule into tokens; continues after an error, so that all errors are found together.
struct RuleTokenizer {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private(set) var tokens: [RuleToken] = []
    private(set) var mistakes: [RuleMistake] = []

    init(_ scalars: [Unicode.Scalar]) {
        self.scalars = scalars
        while let scalar = peek {
            if scalar.properties.isWhitespace { position += 1 } else { readToken(scalar) }
        }
    }

    private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func readToken(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "(": addSingle(.open)
        case ")": addSingle(.close)
        case "-": readMinus()
        case "\"": readPhrase()
        case let quote where Self.typographicQuotes.contains(quote):
            mistakes.append(RuleMistake(position..<position + 1, "\(quote) is not a quotation mark for X; write \""))
            position += 1
        default: readWord()
        }
    }

    private mutating func addSingle(_ kind: RuleToken.Kind) {
        tokens.append(RuleToken(kind: kind, place: position..<position + 1))
        position += 1
    }

    private mutating func add(_ kind: RuleTerm.Kind, from start: Int) {
        tokens.append(RuleToken(kind: .term(kind), place: start..<position))
    }

    private mutating func readMinus() {
        let next = position + 1 < scalars.count ? scalars[position + 1] : " "
        guard next.properties.isWhitespace || next == ")" || next == "-" else { return addSingle(.minus) }
        mistakes.append(
            RuleMistake(
                position..<position + 1, "a '-' stands alone; write it directly before the excluded term, as in -cat")
        )
        position += 1
    }

    // MARK: Words and phrases

    private mutating func readPhrase() {
        let start = position
        guard let text = readQuoted() else { return }
        var proximity: Int?
        if peek == "~" { proximity = readProximity() }
        if text.allSatisfy(\.isWhitespace) {
            mistakes.append(RuleMistake(start..<position, "there is nothing between the quotation marks"))
        }
        add(.phrase(text, proximity: proximity), from: start)
        refuseGluedText()
    }

    /// Reads from one quotation mark to the next; `\"` is a mark within. Nil at the end of the rule, which is then a mistake.
    private mutating func readQuoted() -> String? {
        let start = position
        var text = ""
        position += 1
        while let scalar = peek {
            position += 1
            if scalar == "\"" { return text }
            if scalar == "\\", let escaped = peek {
                text.unicodeScalars.append(escaped)
                position += 1
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        mistakes.append(RuleMistake(start..<start + 1, "the quotation mark that begins here is never closed"))
        return nil
    }

    private mutating func readProximity() -> Int? {
        let start = position
        position += 1
        let digits = readWhile { ("0"..."9").contains($0) }
        if let distance = Int(digits), (1...6).contains(distance) { return distance }
        mistakes.append(RuleMistake(start..<position, "the distance behind '~' is a number from 1 to 6"))
        return nil
    }

    private mutating func readWord() {
        let start = position
        let word = readWhile { !$0.properties.isWhitespace && !Self.endsWord.contains($0) && $0 != ":" }
        if peek == ":" { return readOperator(word, from: start) }
        if peek == "\"" {
            mistakes.append(RuleMistake(position..<position + 1, "a quotation mark cannot stand within a word"))
        }
        if word == "OR" {
            tokens.append(RuleToken(kind: .or, place: start..<position))
        } else if word.isEmpty {
            // A character that ends words yet begins nothing, such as ']': consumed, so that reading always continues.
            position += 1
            add(.keyword(String(scalars[start])), from: start)
        } else {
            add(.keyword(word), from: start)
        }
    }

    private mutating func readOperator(_ name: String, from start: Int) {
        position += 1
        let value: RuleValue
        let valueStart = position
        switch peek {
        case "\"":
            guard let text = readQuoted() else { return }
            value = RuleValue(text: text, form: .quoted, place: valueStart..<position)
        case "[":
            position += 1
            let text = readWhile { $0 != "]" }
            guard peek == "]" else {
                mistakes.append(RuleMistake(valueStart..<valueStart + 1, "the '[' that begins here is never closed"))
                return
            }
            position += 1
            value = RuleValue(text: text, form: .bracketed, place: valueStart..<position)
        default:
            let text = readWhile { !$0.properties.isWhitespace && !Self.endsWord.contains($0) }
            value = RuleValue(text: text, form: .bare, place: valueStart..<position)
        }
        add(.operator(name: name.lowercased(), value: value), from: start)
        refuseGluedText()
    }

    /// What is written right behind a closing mark would silently become a clause of its own.
    private mutating func refuseGluedText() {
        guard let scalar = peek, !scalar.properties.isWhitespace, scalar != "(", scalar != ")" else { return }
        mistakes.append(RuleMistake(position..<position + 1, "a space is missing before '\(scalar)'"))
    }

    private mutating func readWhile(_ isPart: (Unicode.Scalar) -> Bool) -> String {
        let start = position
        while let scalar = peek, isPart(scalar) { position += 1 }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[start..<position])
        return String(text)
    }

    private static let endsWord: Set<Unicode.Scalar> = ["(", ")", "\"", "[", "]"]
    private static let typographicQuotes: Set<Unicode.Scalar> = [
        "\u{201c}", "\u{201d}", "\u{201e}", "\u{00ab}", "\u{00bb}",
    ]
}
