import Core
import Operations
import Synchronization

/// Requests between the server's thread, which must not block, and the threads that ask PostgreSQL.
final class PageQueue: Sendable {
    /// A request whose answer is awaited.
    struct Job: Sendable {
        let question: HTTPQuestion
        let done: @Sendable (HTTPAnswer) -> Void
    }

    private struct State {
        var jobs: [Job] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let signal = Signal()
    /// Requests that may be pending; a person does not wait for more.
    private static let most = 32

    /// Has a request answered by one of the threads.
    ///
    /// - Parameter question: the request.
    /// - Returns: the answer; nil when too many requests are pending, or the console ends.
    func answer(_ question: HTTPQuestion) async -> HTTPAnswer? {
        await withCheckedContinuation { continuation in
            let job = Job(question: question) { continuation.resume(returning: $0) }
            let isTaken = state.withLock { state in
                guard !state.isClosed, state.jobs.count < Self.most else { return false }
                state.jobs.append(job)
                return true
            }
            if isTaken { signal.notify() } else { continuation.resume(returning: nil) }
        }
    }

    /// Waits for a request.
    ///
    /// - Returns: nil once the queue is closed and empty.
    func next() -> Job? {
        while true {
            let (job, isClosed) = state.withLock { state -> (Job?, Bool) in
                (state.jobs.isEmpty ? nil : state.jobs.removeFirst(), state.isClosed)
            }
            if let job { return job }
            if isClosed { return nil }
            signal.wait(until: .now + .seconds(5)) {
                state.withLock { !$0.jobs.isEmpty || $0.isClosed }
            }
        }
    }

    /// Takes no further requests; those that are pending are answered.
    func close() {
        state.withLock { $0.isClosed = true }
        signal.notify()
    }
}
