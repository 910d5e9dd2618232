import Yams

/// How filters are read from a rules file.
extension RulesFileReading {
    private static let keys = ["filter", "words", "people", "locations", "following", "note"]

    /// Reads an entry that has a key `filter`; nil when it cannot be one.
    mutating func readFilter(_ mapping: Node.Mapping) -> RuleFilter? {
        let before = formErrors.count
        for (key, _) in mapping where !Self.keys.contains(key.string ?? "") {
            formErrors.append(
                "\(path)\(line(of: key)): unknown key '\(key.string ?? "?")'; a filter has \(Self.keys.joined(separator: ", "))"
            )
        }
        let (name, line) = readName(mapping)
        let terms =
            texts(
                mapping, "words",
                by: { (text: String) throws(RuleFilterTerms.Mistake) in [try RuleFilterTerms.word(text)] })
            + texts(mapping, "people", by: RuleFilterTerms.person)
            + texts(mapping, "locations", by: RuleFilterTerms.location)
        let following = texts(
            mapping, "following",
            by: { (text: String) throws(RuleFilterTerms.Mistake) in [try RuleFilterTerms.account(text).lowercased()] })
        guard formErrors.count == before else { return nil }
        guard !terms.isEmpty || !following.isEmpty else {
            formErrors.append("\(path):\(line): the filter has no words, people, locations or following")
            return nil
        }
        let note = mapping["note"].flatMap { $0.isNull ? nil : $0.scalar }.map { text(of: $0) }
        return RuleFilter(name: name, note: note, line: line, terms: terms, following: following)
    }

    private mutating func readName(_ mapping: Node.Mapping) -> (name: String, line: Int) {
        guard let (key, node) = mapping.first(where: { $0.key.string == "filter" }) else { return ("", 0) }
        let name = node.isNull ? "" : node.scalar.map { text(of: $0) } ?? ""
        if name.isEmpty {
            formErrors.append("\(path)\(line(of: key)): the filter has no name; it becomes the tag of its rules")
        } else if RuleFilter.numberBehindName(in: name) != nil {
            formErrors.append(
                "\(path)\(line(of: key)): the name '\(name)' ends like the tag of a filter's second rule; choose another name"
            )
        }
        return (name, key.mark?.line ?? 0)
    }

    /// The texts of a key, one or a list, each turned into what it stands for.
    private mutating func texts(
        _ mapping: Node.Mapping, _ key: String, by read: (String) throws(RuleFilterTerms.Mistake) -> [String]
    ) -> [String] {
        guard let node = mapping[Node(key)], !node.isNull else { return [] }
        let list = node.sequence.map { Array($0) } ?? [node]
        return list.flatMap { element -> [String] in
            let place = "\(path)\(line(of: element))"
            guard !element.isNull, let scalar = element.scalar else {
                formErrors.append("\(place): \(key) is a list of texts; put each in quotation marks")
                return []
            }
            do throws(RuleFilterTerms.Mistake) { return try read(text(of: scalar)) } catch {
                formErrors.append("\(place): \(key): \(error.text)")
                return []
            }
        }
    }
}
