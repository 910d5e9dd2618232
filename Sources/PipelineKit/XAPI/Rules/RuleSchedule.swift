import Core

/// The calls that turn a plan into fact, in an order that never interrupts what stays.
///
/// New rules are added before old ones are deleted. A changed tag goes over a stand-in of the same meaning. Where X has no
/// room for that, rules that shall go are deleted first, but never a stand-in that an interrupted run has left.
package struct RuleSchedule: Sendable {
    package enum Step: Equatable, Sendable {
        case add([NewRule])
        /// Deletes the rules with these values.
        case delete([String])
    }

    package private(set) var steps: [Step] = []

    /// Rules in one call.
    package static let batchSize = 100

    private let plan: AccountPlan
    private var free: Int
    private var removable: [XRule]
    private var standIns: [XRule]
    /// Every value that X holds or will be given.
    private var occupied: Set<String>

    /// - Parameters:
    ///   - rules: what has to be done.
    ///   - capacity: how many rules X takes.
    ///   - plan: what a stand-in may be like.
    /// - Throws: `XError`: `reject` when X holds a wanted value for others, or has too little room.
    package init(_ rules: RulePlan, capacity: Int, plan: AccountPlan) throws(XError) {
        try Self.check(rules, capacity)
        self.plan = plan
        let present = rules.kept + rules.changed.map(\.old) + rules.removed + rules.foreign
        free = capacity - present.count
        let wanted = rules.added.map(\.value) + rules.changed.map(\.new.value) + rules.kept.map(\.value)
        occupied = Set(present.map(\.value)).union(wanted)
        let standingIn = Set(wanted.flatMap { EquivalentRules.of($0, plan: plan) })
        removable = rules.removed.filter { !standingIn.contains($0.value) }
        standIns = rules.removed.filter { standingIn.contains($0.value) }
        try add(rules.added)
        try change(rules.changed)
        delete((removable + standIns).map(\.value))
    }

    private static func check(_ rules: RulePlan, _ capacity: Int) throws(XError) {
        if !rules.taken.isEmpty {
            let lines = rules.taken.map { "X holds '\($0.value)' with the tag '\($0.tag ?? "")', which is not ours" }
            throw XError(
                .reject,
                lines.joined(separator: "\n") + "\nX holds each value only once: remove it from the file, or write it"
                    + " in another way, such as in parentheses")
        }
        if rules.finalCount > capacity {
            throw XError(
                .reject,
                "\(rules.finalCount) rules, of which \(rules.foreign.count) are not ours, are more than the"
                    + " \(capacity) that X accepts")
        }
    }

    private mutating func add(_ rules: [NewRule]) throws(XError) {
        var rest = rules[...]
        while !rest.isEmpty {
            let batch = rest.prefix(try room(for: rest.count))
            steps.append(.add(Array(batch)))
            free -= batch.count
            rest = rest.dropFirst(batch.count)
        }
    }

    /// Stand-ins, out with the old, in with the new, out with the stand-ins; in batches that X has room for.
    private mutating func change(_ changes: [RulePlan.Change]) throws(XError) {
        var rest = changes.filter { !goOn(with: $0) }[...]
        while !rest.isEmpty {
            let batch = rest.prefix(try room(for: rest.count))
            var bridges: [NewRule] = []
            for change in batch { bridges.append(try standIn(for: change)) }
            steps.append(.add(bridges))
            swap(batch, over: bridges.map(\.value))
            rest = rest.dropFirst(batch.count)
        }
    }

    /// Changes a rule over the stand-in that an interrupted run has left, which needs no room; false without one.
    private mutating func goOn(with change: RulePlan.Change) -> Bool {
        let candidates = EquivalentRules.of(change.new.value, plan: plan)
        guard let left = standIns.firstIndex(where: { candidates.contains($0.value) }) else { return false }
        swap([change], over: [standIns.remove(at: left).value])
        free += 1
        return true
    }

    private mutating func swap(_ changes: ArraySlice<RulePlan.Change>, over standIns: [String]) {
        delete(changes.map(\.old.value))
        steps.append(.add(changes.map(\.new)))
        delete(standIns)
    }

    /// A rule that X does not have, and that stands in for a changed one.
    private mutating func standIn(for change: RulePlan.Change) throws(XError) -> NewRule {
        let candidates = EquivalentRules.of(change.new.value, plan: plan)
        guard let value = candidates.first(where: { !occupied.contains($0) }) else {
            throw XError(
                .reject,
                "the tag of '\(change.new.value)' cannot be changed without an interruption: the rule is too"
                    + " long for parentheses. Shorten it, or delete it first with `tweet-producer rules delete`.")
        }
        occupied.insert(value)
        return NewRule(value: value, tag: change.new.tag)
    }

    /// How many rules the next call may add; deletes what shall go anyway where there is no room.
    private mutating func room(for count: Int) throws(XError) -> Int {
        if free <= 0 {
            let needed = min(count, Self.batchSize) - free
            let leaving = removable.prefix(needed)
            delete(leaving.map(\.value))
            occupied.subtract(leaving.map(\.value))
            removable.removeFirst(leaving.count)
            free += leaving.count
        }
        guard free > 0 else {
            throw XError(
                .reject,
                "X is full and every rule stays: adding or changing one without an interruption needs a free"
                    + " place. Delete a rule first with `tweet-producer rules delete`.")
        }
        return min(count, free, Self.batchSize)
    }

    private mutating func delete(_ values: [String]) {
        for start in stride(from: 0, to: values.count, by: Self.batchSize) {
            steps.append(.delete(Array(values[start..<min(start + Self.batchSize, values.count)])))
        }
    }
}
