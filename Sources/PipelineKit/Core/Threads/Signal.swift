import Glibc

/// A condition that threads of our own wait on: a mutex and a condition variable on the monotonic clock.
///
/// The awaited state is stored elsewhere (an `Atomic`, a `Mutex`); change it first, then `notify()`.
@safe
package final class Signal: @unchecked Sendable {
    // Sendable and safe: both objects are initialised once at fixed addresses, and POSIX makes every call used here thread-safe.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// After this long a waiting thread gives a sign of life and waits on.
    private static let longestWait = Duration.milliseconds(500)

    package init() {
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe condition.initialize(to: pthread_cond_t())
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Wakes every waiting thread, which then checks its own condition again.
    package func notify() {
        // Taking the mutex orders this after a waiter's check: it either sees the new state or is already waiting.
        unsafe pthread_mutex_lock(mutex)
        unsafe pthread_cond_broadcast(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    /// Waits until `isDone()` holds or `deadline` is reached; returns the last answer of `isDone()`.
    ///
    /// `isDone` runs with the mutex held and must not call `notify()`. Who waits gives signs of life (`Heartbeat`).
    @discardableResult
    package func wait(until deadline: ContinuousClock.Instant, isDone: () -> Bool) -> Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while !isDone() {
            Heartbeat.beat()
            let left = min(ContinuousClock.now.duration(to: deadline), Self.longestWait)
            guard left > .zero else { return false }
            var until = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &until)
            let (seconds, attoseconds) = left.components
            let nanoseconds = until.tv_nsec + Int(attoseconds / 1_000_000_000)
            until.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
            until.tv_nsec = nanoseconds % 1_000_000_000
            unsafe pthread_cond_timedwait(condition, mutex, &until)
        }
        return true
    }
}
