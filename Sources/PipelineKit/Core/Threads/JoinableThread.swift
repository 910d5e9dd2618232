import Glibc
import Synchronization

/// A POSIX thread of our own for loops that block in C, joined exactly once.
///
/// Dropping it without `join()` is a programming error and traps.
package struct JoinableThread: ~Copyable {
    private let thread: pthread_t

    /// Starts a thread that runs `body` and ends.
    ///
    /// - Parameters:
    ///   - name: shown by `top -H` and `gdb`; at most 15 bytes are kept (pthread_setname_np).
    ///   - body: the thread's work; it must not let errors escape, so it takes care of its own failures.
    package init(name: String, _ body: @escaping @Sendable () -> Void) {
        let work = unsafe Unmanaged.passRetained(
            ThreadBody {
                nameThisThread(name)
                body()
            })
        var created = pthread_t()
        let code = unsafe pthread_create(
            &created, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, unsafe work.toOpaque())
        precondition(code == 0, "pthread_create failed with \(code)")
        thread = created
    }

    /// Starts a thread that owns a value from then on.
    ///
    /// - Parameters:
    ///   - name: as above.
    ///   - value: what the thread owns.
    ///   - body: the thread's work with it.
    package init<Value: ~Copyable>(
        name: String, owning value: consuming sending Value, _ body: @escaping @Sendable (consuming Value) -> Void
    ) {
        let parcel = Mutex<Value?>(value)
        self.init(name: name) {
            if let value = parcel.withLock({ $0.take() }) { body(value) }
        }
    }

    /// Waits until the body has returned.
    package consuming func join() {
        pthread_join(thread, nil)
        discard self
    }

    deinit {
        // Always fails: a thread that was started has a handle, and `join()` discards instead of coming here.
        precondition(thread == 0, "a JoinableThread was dropped without join()")
    }
}

/// Names the calling thread through /proc, because `pthread_setname_np` is not visible to Swift (proc(5), comm).
private func nameThisThread(_ name: String) {
    guard let file = unsafe fopen("/proc/thread-self/comm", "w") else { return }
    unsafe fputs(String(name.prefix(15)), file)
    unsafe fclose(file)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }
}
