import Core
import Glibc
import Synchronization

/// A running child process. Every call blocks for as long as it says, so it serves synchronous and asynchronous code.
///
/// The child is in a process group of its own (Ctrl-C on our terminal does not reach it), has no signal blocked,
/// reads nothing, and dies with this process.
package final class ChildProcess: Sendable {
    /// How a process ended.
    package enum Exit: Sendable, Equatable, CustomStringConvertible {
        case status(Int32)
        case signal(Int32)

        package var description: String {
            switch self {
            case .status(let status): "exit status \(status)"
            case .signal(let number): "signal \(number)"
            }
        }
    }

    package let processID: pid_t
    private let ended = Mutex<Exit?>(nil)
    private let pipe: LineReader?

    /// Starts the command.
    ///
    /// - Throws: `Failure` (unavailable) when the executable, setpriv(1) or an output file cannot be opened.
    package init(_ command: ChildCommand) throws(Failure) {
        guard unsafe access(command.executable, X_OK) == 0 else {
            throw Failure(.unavailable, "\(command.executable) is not an executable file")
        }
        switch SpawnThread.run({ spawn(command) }) {
        case .failure(let failure): throw failure
        case .success(let started):
            processID = started.processID
            pipe = started.pipe.map(LineReader.init)
        }
    }

    /// Runs a command to its end.
    ///
    /// - Returns: how it ended, and all it wrote to standard output and standard error.
    package static func run(_ command: ChildCommand) throws(Failure) -> (exit: Exit, output: String) {
        var command = command
        command.output = .pipe
        let child = try ChildProcess(command)
        let output = child.readAll()
        return (child.wait(), output)
    }

    /// How it ended; nil while it runs.
    package var exit: Exit? {
        ended.withLock { ended in
            if ended == nil {
                var status: Int32 = 0
                if unsafe waitpid(processID, &status, WNOHANG) == processID { ended = Exit(waitStatus: status) }
            }
            return ended
        }
    }

    /// Sends a signal; does nothing when the process has ended.
    package func send(_ signal: Int32) {
        // Under the lock no other thread can reap the child, so its number cannot have been given to another process.
        ended.withLock { if $0 == nil { _ = Glibc.kill(processID, signal) } }
    }

    /// Waits for the end.
    package func wait() -> Exit {
        while true { if let exit = wait(timeout: .seconds(3600)) { return exit } }
    }

    /// Waits for the end up to this duration; nil when the process still runs.
    package func wait(timeout: Duration) -> Exit? {
        let deadline = ContinuousClock.now + timeout
        while true {
            if let exit { return exit }
            guard ContinuousClock.now < deadline else { return nil }
            usleep(2000)
        }
    }

    /// Asks it to end by SIGTERM, and ends it by SIGKILL when it has not within `grace`.
    @discardableResult
    package func terminate(grace: Duration = .seconds(10)) -> Exit {
        send(SIGTERM)
        if let exit = wait(timeout: grace) { return exit }
        return kill()
    }

    /// Ends it by SIGKILL and waits.
    @discardableResult
    package func kill() -> Exit {
        send(SIGKILL)
        return wait()
    }

    /// The next line of a piped output without its end; nil at the end of the output or after `timeout`.
    package func readLine(timeout: Duration) -> String? {
        pipe?.readLine(timeout: timeout)
    }

    /// The rest of a piped output.
    package func readAll() -> String {
        pipe?.readAll() ?? ""
    }
}

extension ChildProcess.Exit {
    /// From waitpid(2)'s status word: the low seven bits are the signal, zero means a status in the next byte.
    fileprivate init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .status((waitStatus >> 8) & 0xff) : .signal(signal)
    }
}
