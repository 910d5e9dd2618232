import Core

/// An entry of a rules file that names what to collect instead of a rule: words, people, places, accounts that others follow.
///
/// A post matches a filter when it matches any of them. The filter expands to rules of the form `a OR b`, as few as fit.
package struct RuleFilter: Equatable, Sendable {
    /// The tag of its first rule; the others have `.2`, `.3` and so on behind it.
    package let name: String
    /// For people; it stays in the file.
    package let note: String?
    /// The line of its name in the file, from 1.
    package let line: Int
    /// What X looks for, without the accounts of `following`: terms of X's language that may make up a rule alone.
    package let terms: [String]
    /// Accounts whose followed accounts are collected: names without `@` in lower case, or ids.
    package let following: [String]

    /// The tag of one of its rules.
    ///
    /// - Parameter number: from 1.
    /// - Returns: the tag in the file, without the prefix.
    func tag(_ number: Int) -> String { number == 1 ? name : "\(name).\(number)" }

    /// Which of its rules has a tag; nil when none has.
    ///
    /// - Parameter tag: in the file, without the prefix.
    /// - Returns: the number, from 1.
    func number(of tag: String?) -> Int? {
        guard let tag, tag.hasPrefix(name) else { return nil }
        if tag.utf8.count == name.utf8.count { return 1 }
        guard let number = Self.numberBehindName(in: tag), tag == self.tag(number) else { return nil }
        return number
    }

    /// The number that a tag of a filter's second or later rule ends with; nil when it does not end like one.
    ///
    /// - Parameter tag: in the file, without the prefix.
    /// - Returns: 2 or more.
    static func numberBehindName(in tag: String) -> Int? {
        guard let dot = tag.lastIndex(of: "."), dot > tag.startIndex else { return nil }
        let digits = tag[tag.index(after: dot)...]
        guard !digits.isEmpty, digits.utf8.count < 9, digits.utf8.allSatisfy({ (48...57).contains($0) }) else {
            return nil
        }
        return Int(digits).flatMap { $0 > 1 ? $0 : nil }
    }

    /// The term for posts of an account that somebody follows.
    ///
    /// - Parameter id: of the account: unlike a name, it stays when the account is renamed.
    /// - Returns: the term.
    static func term(postsOf id: String) -> String { "from:\(id)" }

    /// Whether a term may come from a list of followed accounts.
    static func mayComeFromList(_ term: String) -> Bool {
        term.hasPrefix("from:") && RuleValueCheck.isID(String(term.dropFirst("from:".count)))
    }
}

/// The terms of a filter, read from the words of a rules file.
enum RuleFilterTerms {
    /// What cannot be a term, and what to write instead.
    struct Mistake: Error, Equatable {
        let text: String
    }

    /// The term that looks for a word, a phrase, `#tag`, `@user` or `$cash`: what stands for something else in X's language is
    /// put in quotation marks.
    ///
    /// - Parameter text: as in the file.
    /// - Returns: the term.
    /// - Throws: `Mistake` for what X cannot look for as a text.
    static func word(_ text: String) throws(Mistake) -> String {
        let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        if words.contains("\"") || words.contains("\\") {
            throw Mistake(text: "a word of a filter must not have quotation marks or '\\'; a phrase needs none")
        }
        if words.hasPrefix("-") {
            throw Mistake(text: "a filter cannot exclude '\(words)'; write a rule (value:) for that")
        }
        guard
            words.unicodeScalars.contains(where: {
                !$0.isASCII || $0.properties.isAlphabetic || ("0"..."9").contains($0)
            })
        else { throw Mistake(text: "'\(words)' has no letter to look for") }
        if let name = words.split(separator: ":", maxSplits: 1).first, name.utf8.count < words.utf8.count,
            RuleOperator.named(name.lowercased()) != nil
        {
            throw Mistake(text: "'\(words)' is an operator, and words are plain text; write a rule (value:) for that")
        }
        // The plan limits only the length, which is checked where the plan is known.
        let check = RuleCheck(words, plan: .enterprise)
        if check.isValid, check.doubts.isEmpty, case .term(let term) = check.expression, case .keyword = term.kind {
            return words
        }
        return "\"\(words)\""
    }

    /// The terms for an account's posts, replies to it and reposts of it.
    ///
    /// - Parameter text: `@name`, `name` or an id.
    /// - Returns: the terms.
    /// - Throws: `Mistake` for what is neither a name nor an id.
    static func person(_ text: String) throws(Mistake) -> [String] {
        let name = try account(text)
        return ["from:\(name)", "to:\(name)", "retweets_of:\(name)"]
    }

    /// An account's name without `@`, or its id.
    ///
    /// - Parameter text: `@name`, `name` or an id.
    /// - Returns: what operators accept.
    /// - Throws: `Mistake` for what is neither.
    static func account(_ text: String) throws(Mistake) -> String {
        let name = text.hasPrefix("@") ? text.dropFirst() : text[...]
        guard RuleValueCheck.isUserName(name) || RuleValueCheck.isID(String(name)) else {
            throw Mistake(text: "'\(text)' is neither a user's name such as '@nasa' (letters, digits, '_') nor an id")
        }
        return String(name)
    }

    /// The terms for a place; a box that is larger than X accepts becomes several.
    ///
    /// - Parameter text: west, south, east and north in degrees, such as `[-74.1 40.6 -73.7 40.9]`.
    /// - Returns: the terms.
    /// - Throws: `Mistake` for what is no box, or too large a one.
    static func location(_ text: String) throws(Mistake) -> [String] {
        let inner = text.filter { $0 != "[" && $0 != "]" }
        let edges = inner.split { $0.isWhitespace || $0 == "," }.map(String.init).joined(separator: " ")
        let value = RuleValue(text: edges, form: .bracketed, place: 0..<0)
        switch RuleAreaCheck.boundingBox(value) {
        case nil: return ["bounding_box:[\(edges)]"]
        case .mistake(let reason): throw Mistake(text: "'\(text)': \(reason)")
        case .doubt: break
        }
        guard let boxes = RuleAreaCheck.boxes(of: value) else {
            throw Mistake(
                text: "'\(text)' is larger than \(RuleAreaCheck.maximalBoxes) boxes of 25mi (40km); write smaller ones")
        }
        return boxes.map { "bounding_box:[\($0)]" }
    }
}
