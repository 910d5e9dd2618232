import Core
import Synchronization

/// What the owner of a journal does beside its writing, and hears of it; all of it on the thread that writes.
package final class JournalObserver: Sendable {
    private struct Hooks {
        var beforeSync: @Sendable () throws(FileError) -> Void = {}
        var afterSync: @Sendable (Duration) -> Void = { _ in }
        var delayedRoll: @Sendable (FileError) -> Void = { _ in }
    }

    private let hooks = Mutex(Hooks())

    /// Sets what is called before a group is written; when it throws, the group fails.
    package func onSync(before: @escaping @Sendable () throws(FileError) -> Void) {
        hooks.withLock { $0.beforeSync = before }
    }

    /// Sets what is called with the time that the disk took for a group.
    package func onSync(after: @escaping @Sendable (Duration) -> Void) {
        hooks.withLock { $0.afterSync = after }
    }

    /// Sets what is called once when a new segment has to wait for file descriptors; the open one grows meanwhile.
    package func onDelayedRoll(_ body: @escaping @Sendable (FileError) -> Void) {
        hooks.withLock { $0.delayedRoll = body }
    }

    func beforeSync() throws(FileError) { try hooks.withLock { $0.beforeSync }() }
    func afterSync(_ duration: Duration) { hooks.withLock { $0.afterSync }(duration) }
    func delayedRoll(_ error: FileError) { hooks.withLock { $0.delayedRoll }(error) }
}
