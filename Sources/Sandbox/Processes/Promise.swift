import Core
import Synchronization

/// A value that one thread sets once and others wait for, blocking.
final class Promise<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let signal = Signal()

    func set(_ new: Value) {
        value.withLock { $0 = new }
        signal.notify()
    }

    func wait() -> Value {
        while true {
            signal.wait(until: .now + .seconds(3600)) { self.value.withLock { $0 != nil } }
            if let value = value.withLock({ $0 }) { return value }
        }
    }
}

/// Runs asynchronous work to its end from a thread that may block: the main thread, never one of Swift's pool.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
    let outcome = Promise<Result<Value, any Error>>()
    Task {
        do { outcome.set(.success(try await body())) } catch { outcome.set(.failure(error)) }
    }
    return try outcome.wait().get()
}
