import Core
import Glibc

/// Asks on the terminal whether to go on.
///
/// - Parameter question: such as `Change the rules at X?`.
/// - Returns: whether the answer is yes.
/// - Throws: `Failure` (64) when there is no terminal to ask on.
func confirm(_ question: String) throws(Failure) -> Bool {
    guard isatty(STDIN_FILENO) == 1 else {
        throw Failure(.usage, "No terminal to confirm on; pass --yes")
    }
    print("\(question) [y/N] ", terminator: "")
    fflush(nil)
    return ["y", "yes"].contains(readLine()?.lowercased())
}
