internal import Foundation
import Synchronization

/// Threads that use all the time that the processors give them, two for each, until `stop`.
package final class BusyProcessors: Sendable {
    private let isOver = Atomic(false)

    package init() {
        for _ in 0..<2 * ProcessInfo.processInfo.activeProcessorCount {
            Thread.detachNewThread { [self] in while !isOver.load(ordering: .relaxed) {} }
        }
    }

    /// Ends them.
    package func stop() { isOver.store(true, ordering: .relaxed) }
}
