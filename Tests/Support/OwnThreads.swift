internal import Foundation
package import Testing

/// Runs each test of a suite on threads of its own.
///
/// Tests that block would otherwise hold the threads of Swift's pool, which has as many as there are processors: however
/// many tests may run at once, only so many would go on, and most of their time is waiting.
package struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(ThreadPerJob.shared) { try await function() }
    }
}

extension Trait where Self == OwnThreads {
    /// Each test blocks a thread of its own.
    package static var ownThreads: Self { OwnThreads() }
}

/// An executor that starts a thread for each job, so that a job may block.
final class ThreadPerJob: TaskExecutor {
    static let shared = ThreadPerJob()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread.detachNewThread { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
