import Synchronization

/// Functions that wake loops out of blocking calls, each until its registration ends.
package final class Wakers: Sendable {
    private struct State {
        var next: UInt64 = 0
        var functions: [UInt64: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    /// How many registrations have not ended.
    package var count: Int { state.withLock { $0.functions.count } }

    /// Adds a function. It may run on any thread, more than once, and once more while its registration ends.
    package func add(_ wake: @escaping @Sendable () -> Void) -> Registration {
        let name = state.withLock { state in
            state.next += 1
            state.functions[state.next] = wake
            return state.next
        }
        return Registration { [weak self] in
            self?.state.withLock { _ = $0.functions.removeValue(forKey: name) }
        }
    }

    /// Calls every function on this thread.
    package func wake() {
        let functions = state.withLock { Array($0.functions.values) }
        for wake in functions { wake() }
    }

    package init() {
    }
}

/// A function's place among those that are called; it ends with this object at the latest.
package final class Registration: Sendable {
    private let remove: @Sendable () -> Void

    package init(_ remove: @escaping @Sendable () -> Void) {
        self.remove = remove
    }

    deinit {
        remove()
    }

    /// Takes the function out; a second call does nothing.
    package func end() { remove() }
}
