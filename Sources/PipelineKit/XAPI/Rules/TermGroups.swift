import Core

/// Terms in rules of the form `a OR b`, each as long as X accepts at most: as few as fit, and as few as possible of them other
/// than those that X holds.
///
/// X cannot change a rule, so a rule with one more term is a new rule. What is asked first is therefore which terms the rules
/// at X have; only what they lack is placed. Everything follows from the arguments, and packing the result again changes
/// nothing.
struct TermGroups: Sendable {
    /// The terms of one rule.
    struct Group: Equatable, Sendable {
        /// Which rule of the filter it is, from 1; its tag.
        let number: Int
        fileprivate(set) var terms: [String]
        /// Code points of the rule.
        fileprivate(set) var length: Int

        init(number: Int, terms: [String] = []) {
            (self.number, self.terms) = (number, terms)
            length = terms.joined(separator: TermGroups.separator).unicodeScalars.count
        }

        /// The rule.
        var value: String { terms.joined(separator: TermGroups.separator) }

        fileprivate func length(with term: Term) -> Int {
            terms.isEmpty ? term.length : length + TermGroups.separatorLength + term.length
        }

        fileprivate mutating func add(_ term: Term) {
            length = length(with: term)
            terms.append(term.text)
        }
    }

    /// A term, its length in code points, and its place among the wanted ones.
    fileprivate struct Term {
        let text: String
        let length: Int
        let place: Int

        init(_ text: String, place: Int) {
            (self.text, self.place) = (text, place)
            length = text.unicodeScalars.count
        }
    }

    static let separator = " OR "
    private static let separatorLength = 4

    private let limit: Int
    /// The rules, by number.
    private(set) var groups: [Group] = []
    /// The numbers of groups that differ from what X holds.
    private var changed: Set<Int> = []

    /// - Parameters:
    ///   - terms: what is looked for; one that occurs twice counts once. None is longer than the limit.
    ///   - limit: how long a rule may be, in code points.
    ///   - held: the terms of the rules that X holds for this, by number.
    init(_ terms: [String], limit: Int, held: [Group] = []) {
        self.limit = limit
        let terms = Self.unique(terms)
        let fewest = Self.fewest(terms, limit: limit)
        let rest = keep(held, of: terms)
        if groups.isEmpty { groups = fewest } else { place(rest, fewest: fewest.count) }
        while groups.count > fewest.count, dissolveShortest() {}
        // A tenth more than needed is the price of leaving rules alone; more is not.
        if groups.count > fewest.count + max(1, fewest.count / 10) { groups = fewest }
        groups.sort { $0.number < $1.number }
    }

    private static func unique(_ terms: [String]) -> [Term] {
        var known: Set<ExactText> = []
        return terms.filter { known.insert(ExactText($0)).inserted }.enumerated().map { Term($1, place: $0) }
    }

    private static func longestFirst(_ terms: [Term]) -> [Term] {
        terms.sorted { ($1.length, $0.place) < ($0.length, $1.place) }
    }

    /// Packs without regard to what X holds: the longest first, each into the first rule that has room.
    private static func fewest(_ terms: [Term], limit: Int) -> [Group] {
        var (groups, places): ([Group], [[Int]]) = ([], [])
        for term in longestFirst(terms) {
            let index = groups.firstIndex { $0.length(with: term) <= limit } ?? groups.count
            if index == groups.count {
                groups.append(Group(number: index + 1))
                places.append([])
            }
            groups[index].add(term)
            places[index].append(term.place)
        }
        // A rule reads as the file does.
        for index in groups.indices { groups[index].terms = places[index].sorted().map { terms[$0].text } }
        return groups
    }

    /// Takes over what X holds, as far as it is wanted; returns the terms that X lacks.
    private mutating func keep(_ held: [Group], of terms: [Term]) -> [Term] {
        var missing = Dictionary(uniqueKeysWithValues: terms.map { (ExactText($0.text), $0) })
        // Two rules of one number are left by an interrupted change: the one that is nearest to what is wanted stays.
        let ranked = held.map { group in (group: group, wanted: group.terms.count { missing[ExactText($0)] != nil }) }
            .sorted {
                ($0.group.number, $1.wanted, $0.group.terms.count, $0.group.value)
                    < ($1.group.number, $0.wanted, $1.group.terms.count, $1.group.value)
            }
        for (group, _) in ranked where groups.last?.number != group.number {
            var kept = Group(number: group.number)
            for text in group.terms {
                guard let term = missing[ExactText(text)], kept.length(with: term) <= limit else { continue }
                missing[ExactText(text)] = nil
                kept.add(term)
            }
            if kept.terms.isEmpty { continue }
            if kept.terms.count != group.terms.count { changed.insert(kept.number) }
            groups.append(kept)
        }
        return terms.filter { missing[ExactText($0.text)] != nil }
    }

    /// Places terms in rules that change anyway, then in new ones where as many are needed, then where most room is left.
    private mutating func place(_ terms: [Term], fewest: Int) {
        guard !terms.isEmpty else { return }
        while groups.count < fewest { addGroup() }
        for term in Self.longestFirst(terms) {
            let fitting = groups.indices.filter { groups[$0].length(with: term) <= limit }
            let index =
                fitting.first { changed.contains(groups[$0].number) }
                ?? fitting.min { (groups[$0].length, groups[$0].number) < (groups[$1].length, groups[$1].number) }
                ?? addGroup()
            groups[index].add(term)
            changed.insert(groups[index].number)
        }
        groups.removeAll(where: \.terms.isEmpty)
    }

    /// Adds an empty group with the lowest free number; returns its index.
    @discardableResult
    private mutating func addGroup() -> Int {
        let taken = Set(groups.map(\.number))
        let number = (1...groups.count + 1).first { !taken.contains($0) } ?? groups.count + 1
        groups.append(Group(number: number))
        changed.insert(number)
        return groups.count - 1
    }

    /// Distributes the terms of the shortest rule among the others, if they have room for all of them.
    private mutating func dissolveShortest() -> Bool {
        guard let shortest = groups.min(by: { ($0.length, $1.number) < ($1.length, $0.number) }) else { return false }
        var others = groups.filter { $0.number != shortest.number }.sorted { $0.number < $1.number }
        for term in Self.longestFirst(shortest.terms.enumerated().map { Term($1, place: $0) }) {
            guard let index = others.firstIndex(where: { $0.length(with: term) <= limit }) else { return false }
            others[index].add(term)
        }
        groups = others
        return true
    }
}

extension TermGroups {
    /// The terms of a rule that X holds: what stands between the words OR outside quotation marks and brackets.
    ///
    /// - Parameter rule: the value of the rule.
    /// - Returns: the terms; joined again they are the rule.
    static func terms(of rule: String) -> [String] {
        var terms: [String] = []
        var term = String.UnicodeScalarView()
        var (isQuoted, isBracketed) = (false, false)
        let separator = Array(separator.unicodeScalars)
        for scalar in rule.unicodeScalars {
            term.append(scalar)
            switch scalar {
            case "\"": isQuoted.toggle()
            case "[" where !isQuoted: isBracketed = true
            case "]" where !isQuoted: isBracketed = false
            case " " where !isQuoted && !isBracketed && term.suffix(separator.count).elementsEqual(separator):
                terms.append(String(String.UnicodeScalarView(term.dropLast(separator.count))))
                term = String.UnicodeScalarView()
            default: break
            }
        }
        return terms + [String(term)]
    }
}
