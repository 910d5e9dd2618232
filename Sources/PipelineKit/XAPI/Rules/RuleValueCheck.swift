import Core

/// What is wrong with an operator's value.
enum RuleValueCheck {
    /// A finding: what X would refuse, or only what looks unintended.
    enum Finding {
        case mistake(String)
        case doubt(String)
    }

    /// Looks at the value of an operator; nil when it is as X wants it.
    static func look(at value: RuleValue, of name: String, kind: RuleOperator.ValueKind) -> Finding? {
        if value.text.allSatisfy(\.isWhitespace) { return .mistake("'\(name):' has no value") }
        switch kind {
        case .user: return user(value.text, name)
        case .id: return isID(value.text) ? nil : .mistake("'\(name):' needs an id of 1 to 19 digits")
        case .text: return text(value, name)
        case .quotedText:
            return value.form == .quoted ? nil : .mistake("the text after '\(name):' must be in quotation marks")
        case .choice(let choices): return choice(value.text, name, choices)
        case .language: return language(value.text)
        case .country:
            return value.text.utf8.count == 2 && value.text.allSatisfy(\.isLetter)
                ? nil : .mistake("'\(name):' needs a country code of two letters (ISO 3166), such as FR")
        case .context: return context(value.text)
        case .sample, .count, .countRange, .fraction: return number(value.text, name, kind)
        case .pointRadius: return RuleAreaCheck.pointRadius(value)
        case .boundingBox: return RuleAreaCheck.boundingBox(value)
        }
    }

    static func isID(_ text: String) -> Bool {
        (1...19).contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) }
    }

    private static func user(_ text: String, _ name: String) -> Finding? {
        if text.hasPrefix("@") { return .mistake("'\(name):' needs the name without '@'") }
        return isUserName(text) || isID(text)
            ? nil : .mistake("'\(name):' needs a user's name (letters, digits, '_') or id, and '\(text)' is neither")
    }

    /// New names have at most 15 characters; some from the first years have up to 20.
    static func isUserName(_ text: some StringProtocol) -> Bool {
        (1...20).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 95
            }
    }

    private static func text(_ value: RuleValue, _ name: String) -> Finding? {
        if value.form == .bracketed { return .mistake("'\(name):' needs a word, or words in quotation marks") }
        guard value.form == .bare, let sign = value.text.unicodeScalars.first(where: isPunctuation) else { return nil }
        return .doubt("'\(sign)' splits words; put the value of '\(name):' in quotation marks")
    }

    static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && scalar != "_" && !scalar.properties.isAlphabetic && !("0"..."9").contains(scalar)
    }

    /// X may have choices that are not in this list, so X decides.
    private static func choice(_ text: String, _ name: String, _ choices: [String]) -> Finding? {
        let wanted = text.lowercased()
        if choices.contains(wanted) { return nil }
        let hint =
            nearest(wanted, among: choices).map { "did you mean '\(name):\($0)'?" }
            ?? "known are \(choices.joined(separator: ", "))"
        return .doubt("'\(name):\(text)' is not in the list of X's operators; \(hint) X decides (dry run)")
    }

    private static func language(_ text: String) -> Finding? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        let isCode = parts.count <= 2 && (2...3).contains(parts[0].utf8.count) && (parts.last?.utf8.count ?? 0) >= 2
        guard isCode, parts.allSatisfy({ $0.utf8.allSatisfy { (65...90).contains($0 & 0xdf) } }) else {
            return .mistake("'lang:' needs a language code such as en, ja or zh-TW")
        }
        let own = ["id": "in", "he": "iw", "zh": "zh-CN or zh-TW"]
        return own[text.lowercased()].map { .doubt("X's own code for this language is \($0)") }
    }

    private static func context(_ text: String) -> Finding? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let isCode = parts.count == 2 && parts.allSatisfy { $0 == "*" || isID(String($0)) } && text != "*.*"
        return isCode ? nil : .mistake("'context:' needs a domain and an entity, such as 10.799022225751871488 or 10.*")
    }

    private static func number(_ text: String, _ name: String, _ kind: RuleOperator.ValueKind) -> Finding? {
        switch kind {
        case .sample:
            return Int(digits: text).map { (1...100).contains($0) } == true
                ? nil : .mistake("'sample:' needs a whole number from 1 to 100, the percentage of posts")
        case .fraction:
            return Double(text).map { (0...1).contains($0) } == true
                ? nil : .mistake("'\(name):' needs a number from 0 to 1")
        case .count: return Int(digits: text) == nil ? .mistake("'\(name):' needs a whole number") : nil
        default: return range(text, name)
        }
    }

    private static func range(_ text: String, _ name: String) -> Finding? {
        let ends = text.replacing("..", with: " ").split(separator: " ", omittingEmptySubsequences: false)
        let numbers = ends.compactMap { Int(digits: String($0)) }
        guard (1...2).contains(ends.count), numbers.count == ends.count else {
            return .mistake("'\(name):' needs a number or a range such as 500..2000")
        }
        guard let last = numbers.last, numbers[0] > last else { return nil }
        return .mistake("the range of '\(name):' begins above its end")
    }
}

extension Int {
    /// Reads digits only: no sign, no space.
    fileprivate init?(digits text: String) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        self.init(text)
    }
}
