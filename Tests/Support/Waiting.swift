internal import Foundation
import Glibc

/// Looks repeatedly until a condition holds, on a thread that may block.
///
/// - Parameters:
///   - patience: how long.
///   - condition: is asked every 10 ms, or a tenth of the time when it takes longer; an error counts as not yet.
/// - Returns: false when it did not hold in time.
/// - Throws: what the last look has thrown.
@available(*, noasync, message: "await holds(within:_:), which keeps no thread")
package func eventually(within patience: Duration = .seconds(90), _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = ContinuousClock.now + patience
    while ContinuousClock.now < deadline {
        let begin = ContinuousClock.now
        if (try? condition()) == true { return true }
        usleep(UInt32(pause(after: begin.duration(to: .now)) / .microseconds(1)))
    }
    return try condition()
}

/// `eventually` in a function that is `async`.
///
/// - Parameters:
///   - patience: how long.
///   - condition: is asked every 10 ms, or a tenth of the time when it takes longer; an error counts as not yet.
/// - Returns: false when it did not hold in time.
/// - Throws: what the last look has thrown.
package func holds(
    within patience: Duration = .seconds(90), _ condition: () async throws -> Bool
) async throws -> Bool {
    let deadline = ContinuousClock.now + patience
    while ContinuousClock.now < deadline {
        let begin = ContinuousClock.now
        if (try? await condition()) == true { return true }
        try await Task.sleep(for: pause(after: begin.duration(to: .now)))
    }
    return try await condition()
}

/// How long to wait after a look. Who looks all the time takes the machine from what is waited for: a dozen tests that
/// looked for half of the time, each with a connection to PostgreSQL, kept two cores busy.
private func pause(after look: Duration) -> Duration {
    min(max(.milliseconds(10), look * 9), .seconds(1))
}

/// Waits while a fault lasts whose length is what is tested, such as a stall that must outlast a time-out.
///
/// Whatever is awaited instead of endured has a condition; `eventually` and `holds` wait for that.
///
/// - Parameter length: how long.
/// - Throws: `CancellationError` when the test's time limit has ended it.
package func endure(_ length: Duration) async throws {
    try await Task.sleep(for: length)
}

/// Waits while a fault lasts whose length is what is tested, on a thread that may block.
///
/// - Parameter length: how long.
package func endure(_ length: Duration) {
    Thread.sleep(forTimeInterval: length / .seconds(1))
}

/// Runs what blocks on a thread of its own, so that servers in this process keep their threads.
///
/// - Parameter body: what blocks.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws.
package func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    // A thread outside of the test's task would not know the test: what fails there would be counted for none.
    try await withTaskExecutorPreference(ThreadPerJob.shared) { try body() }
}
