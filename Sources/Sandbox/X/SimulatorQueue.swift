import Dispatch

/// Runs a simulator's tasks, one after the other, on a thread of its own.
///
/// Swift's own pool has one thread a core. What blocks them, as tests do that wait for processes, would let X fall
/// silent, and a client's time-outs run out.
final class SimulatorQueue: TaskExecutor {
    private let queue = DispatchQueue(label: "sandbox.x")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
