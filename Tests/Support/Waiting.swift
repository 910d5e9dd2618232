import Glibc

/// Looks again and again until a condition holds.
///
/// - Parameters:
///   - patience: how long.
///   - condition: what it throws counts as not yet, but for the last time.
/// - Returns: false when it did not hold in time.
/// - Throws: what the last look has thrown.
package func holds(within patience: Duration, _ condition: @Sendable () throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + patience
    while ContinuousClock.now < deadline {
        let begin = ContinuousClock.now
        if (try? condition()) == true { return true }
        // Who looks all the time takes the machine from what is waited for.
        try await Task.sleep(for: max(.milliseconds(10), begin.duration(to: .now)))
    }
    return try condition()
}

/// Looks again and again until a condition holds, on a thread that may block; `holds` for tests that are not `async`.
///
/// - Parameters:
///   - patience: how long.
///   - condition: is asked every 10 ms, or half of the time when it takes longer.
/// - Returns: false when it did not hold in time.
/// - Throws: what the condition throws.
package func eventually(within patience: Duration = .seconds(90), _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = ContinuousClock.now + patience
    while ContinuousClock.now < deadline {
        let begin = ContinuousClock.now
        if try condition() { return true }
        // Who looks all the time takes the machine from what is waited for.
        let pause = max(0.01, begin.duration(to: .now) / .seconds(1))
        usleep(UInt32(min(pause, 1) * 1_000_000))
    }
    return try condition()
}
