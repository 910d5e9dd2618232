import ArgumentParser
import Glibc

/// Runs a command's body; a `Failure`, or an error that says what to do about it, is reported on standard error and ends the
/// process with its status.
package func runCommand(_ body: () throws -> Void) throws {
    do { try body() } catch {
        guard let failure = error as? Failure ?? (error as? any DisposedError).map({ Failure($0) }) else { throw error }
        let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "command"
        let lines = failure.description.split(separator: "\n").map { "\(program): error: \($0)\n" }
        writeToStandardError(lines.joined())
        throw ExitCode(failure.status.rawValue)
    }
}

extension ParsableCommand {
    /// Ends the process with 64 when a subcommand's name is unknown and a known one is near.
    ///
    /// ArgumentParser suggests flags, but reports a misspelt subcommand as an unexpected argument.
    package static func suggestSubcommand(_ arguments: [String] = Array(CommandLine.arguments.dropFirst())) {
        guard let meant = misspelling(in: arguments[...]) else { return }
        let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "command"
        writeToStandardError("\(program): error: unknown subcommand '\(meant.given)'; did you mean \(meant.nearest)?\n")
        Glibc.exit(ExitStatus.usage.rawValue)
    }

    /// The first word that should be a subcommand's name and is none, with the name that is near.
    static func misspelling(in arguments: ArraySlice<String>) -> (given: String, nearest: String)? {
        let subcommands = configuration.subcommands
        guard !subcommands.isEmpty, let word = arguments.first, !word.hasPrefix("-"), word != "help" else { return nil }
        if let found = subcommands.first(where: { $0._commandName == word }) {
            return found.misspelling(in: arguments.dropFirst())
        }
        let names = subcommands.map { $0._commandName } + ["help"]
        guard let near = Core.nearest(word, among: names) else { return nil }
        return (given: word, nearest: near)
    }
}
