/// How a process of this project ends (sysexits.h).
package enum ExitStatus: Int32, Sendable {
    case done = 0
    case usage = 64
    case badData = 65
    case unavailable = 69
    case disk = 74
    case tryAgain = 75
    case refusedCredentials = 77
    case badSettings = 78
}

/// The end of a command: what to report on standard error, and the status to exit with.
///
/// The message names the input, the place and the remedy; it never holds a secret or a tweet's text.
package struct Failure: Error, CustomStringConvertible, Sendable {
    package let status: ExitStatus
    package let description: String

    package init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
