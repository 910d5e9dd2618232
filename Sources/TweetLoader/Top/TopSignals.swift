import Core
import Glibc

/// What wakes `top` up, as one file descriptor beside that of the keyboard: signals, and news of the sources.
///
/// The signals are blocked in every thread; a thread of its own waits for them.
final class TopSignals: Sendable {
    /// Becomes readable when there is something to do.
    let descriptor: Int32
    private let writing: Int32

    /// Every signal that `top` answers to, but those that cannot be caught.
    private static let numbers = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH]

    /// Blocks the signals; call it before other threads exist.
    ///
    /// - Throws: `FileError` when there is no pipe left.
    init() throws(FileError) {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw FileError("open", "a pipe") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (descriptor, writing) = (ends[0], ends[1])
        var signals = Self.set(Self.numbers)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Waits for signals, for ever.
    func wait() {
        var signals = Self.set(Self.numbers)
        while true {
            var number: Int32 = 0
            if unsafe sigwait(&signals, &number) == 0 { notify(UInt8(clamping: number)) }
        }
    }

    /// Wakes the loop up; nothing is lost when it has not been awake since the last time.
    ///
    /// - Parameter byte: the signal, or 0 for news.
    func notify(_ byte: UInt8 = 0) {
        var byte = byte
        _ = unsafe write(writing, &byte, 1)
    }

    /// The signals that came, and 0 for news.
    func take() -> [Int32] {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        return bytes.prefix(max(0, count)).map { Int32($0) }
    }

    /// Stops the process as Ctrl-Z does with every other, until the shell continues it.
    func stopProcess() {
        var signals = Self.set([SIGTSTP])
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        // Nothing happens where no shell could continue it (an orphaned process group).
        raise(SIGTSTP)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    private static func set(_ numbers: [Int32]) -> sigset_t {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in numbers { unsafe sigaddset(&signals, number) }
        return signals
    }
}
