import Core
import Sandbox

extension ChildProcess {
    /// Memory of the process in bytes.
    ///
    /// - Parameter name: of a field in kibibytes of its status (proc_pid_status(5)): `VmRSS`, or `VmHWM`, its highest.
    /// - Returns: the bytes.
    /// - Throws: `FileError` when the process has ended, `Failure` (badData) when it has no such field.
    package func memory(_ name: String) throws -> Int {
        let line = try readTextFile("/proc/\(processID)/status").split(separator: "\n").first {
            $0.hasPrefix("\(name):")
        }
        let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        guard let kibibytes else { throw Failure(.badData, "no \(name) in the status of process \(processID)") }
        return kibibytes * 1024
    }

    /// Changes its limits while it runs, as `prlimit --pid` does.
    ///
    /// - Parameter options: of prlimit(1).
    /// - Throws: `Failure` (unavailable) with what prlimit has written.
    package func limit(_ options: String...) throws {
        let (exit, output) = try ChildProcess.run(
            ChildCommand("/usr/bin/prlimit", ["--pid", "\(processID)"] + options))
        guard exit == .status(0) else { throw Failure(.unavailable, "prlimit: \(output)") }
    }
}
