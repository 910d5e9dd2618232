import Glibc
import Synchronization

/// Destroys the clusters that are left when the process exits.
enum SandboxesAtExit {
    private struct Weak: Sendable {
        weak let sandbox: PostgresSandbox?
    }

    private static let sandboxes = Mutex<[Weak]>([])

    static func add(_ sandbox: PostgresSandbox) {
        let isFirst = sandboxes.withLock { list in
            list.removeAll { $0.sandbox == nil }
            list.append(Weak(sandbox: sandbox))
            return list.count == 1
        }
        if isFirst { atexit { SandboxesAtExit.destroyAll() } }
    }

    private static func destroyAll() {
        for entry in sandboxes.withLock({ $0 }) { entry.sandbox?.destroy() }
    }
}
