import Glibc
import Synchronization

/// Places where a build for tests dies on request, as in a power cut: `TWEET_FAILPOINT=name:count` kills the
/// process with SIGKILL when it passes the place for the `count`-th time. What is installed has none of this.
package enum FailPoint: String, Sendable {
    case append, fsync, roll, compress, upload, delete, checkpoint
    /// A list of the archive is replaced by a shorter one.
    case shorten
    /// In the loader: a COPY is sent and not ended, a transaction is done and not committed, committed and not used.
    case copyEnd = "copy_end"
    case commit, committed
    /// Between two steps of `tweet-producer streams apply`.
    case streams

    /// The places in the journal.
    package static let ofJournal: [FailPoint] = [.append, .fsync, .roll, .compress, .delete, .checkpoint]

    /// Further places, which only a journal with uploads passes.
    package static let ofUploads: [FailPoint] = [.upload, .shorten]

    /// Dies here if the environment says so.
    package func pass() {
        #if FAIL_POINTS
            guard let plan = Self.plan, plan.point == self, plan.left.subtract(1, ordering: .relaxed).newValue == 0
            else { return }
            kill(getpid(), SIGKILL)
        #endif
    }

    /// Dies here if the environment says so; throws if a test has asked for a fault here.
    package func pass(on path: String) throws(FileError) {
        pass()
        #if FAIL_POINTS
            if let fault = Self.fault, fault.point == self { throw FileError(rawValue, path, code: fault.code) }
        #endif
    }

    #if FAIL_POINTS
        /// A system error that a place reports, for the time of a test's call.
        package struct Fault: Sendable {
            let point: FailPoint
            /// An `errno`.
            let code: Int32
        }

        @TaskLocal package static var fault: Fault?

        /// Runs `body` with a fault that was asked for on another thread.
        package static func with(_ fault: Fault?, _ body: () throws(FileError) -> Void) throws(FileError) {
            let result = $fault.withValue(fault) { () -> Result<Void, FileError> in
                do throws(FileError) { return .success(try body()) } catch { return .failure(error) }
            }
            try result.get()
        }

        private static let plan: Plan? = {
            let parts = ProcessEnvironment.current["TWEET_FAILPOINT"]?.split(separator: ":") ?? []
            guard parts.count == 2, let point = FailPoint(rawValue: String(parts[0])), let count = Int(parts[1]) else {
                return nil
            }
            return Plan(point, count)
        }()

        private final class Plan: Sendable {
            let point: FailPoint
            let left: Atomic<Int>

            init(_ point: FailPoint, _ count: Int) {
                self.point = point
                left = Atomic(count)
            }
        }
    #endif
}
