import Synchronization

/// The rules as they were after each call that could change them.
final class RuleHistory: Sendable {
    private let states = Mutex<[[StreamRule]]>([])

    var all: [[StreamRule]] { states.withLock { $0 } }

    func add(_ rules: [StreamRule]) {
        states.withLock { $0.append(rules) }
    }

    func clear() {
        states.withLock { $0 = [] }
    }
}
