import Core
import FoundationEssentials
import Glibc

/// What to run as a child process, and how.
package struct ChildCommand: Sendable {
    /// Where a child's output goes.
    package enum Output: Sendable, Equatable {
        /// To where ours goes.
        case inherit
        /// To nowhere.
        case discard
        /// To the end of a file, which is created when missing.
        case file(String)
        /// To us: `ChildProcess.readLine` and `readAll`.
        case pipe
    }

    /// The signal that a child gets when this process ends; the names are setpriv(1)'s.
    package enum DeathSignal: String, Sendable {
        case kill = "SIGKILL"
        case quit = "SIGQUIT"
    }

    /// The path of the executable.
    package var executable: String
    package var arguments: [String]
    /// Added to our own environment; nil takes a variable away.
    package var environment: [String: String?] = [:]
    /// The user to run as; nil keeps ours. Needs root.
    package var user: String?
    /// The working folder; nil keeps ours.
    package var folder: String?
    package var output = Output.discard
    /// Standard error; nil sends it where standard output goes.
    package var errors: Output?
    /// The signal that the child gets when this process ends, for any reason.
    package var deathSignal = DeathSignal.kill

    package init(_ executable: String, _ arguments: [String] = []) {
        self.executable = executable
        self.arguments = arguments
    }

    /// The command line with setpriv(1) in front, which asks for the death signal, drops root and becomes the command.
    var commandLine: [String] {
        var line = ["/usr/bin/setpriv", "--pdeathsig", deathSignal.rawValue]
        if let user { line += ["--reuid", user, "--regid", user, "--init-groups"] }
        line.append("--")
        if let folder { line += ["/usr/bin/env", "-C", folder] }
        return line + [executable] + arguments
    }

    var environmentLines: [String] {
        var variables = ProcessInfo.processInfo.environment
        for (name, value) in environment { variables[name] = value }
        return variables.map { "\($0.key)=\($0.value)" }
    }
}

/// Where the executables of this package are: beside the running one, also for a test bundle.
///
/// - Throws: `Failure` (unavailable) when `name` is not there.
package func siblingExecutable(_ name: String) throws(Failure) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let path = String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let folder = path.split(separator: "/").dropLast().joined(separator: "/")
    let sibling = "/\(folder)/\(name)"
    guard unsafe access(sibling, X_OK) == 0 else {
        throw Failure(.unavailable, "there is no \(name) in /\(folder); build it first: swift build")
    }
    return sibling
}
