import ArgumentParser
import Glibc

/// What the subcommands of both services have in common: logging, the settings file, and how a failure ends.
package struct CommonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Settings file (YAML, one `name: value` per line).", valueName: "file"))
    package var config: String?

    @Option(help: ArgumentHelp("trace, debug, info, warning or error.", valueName: "level"))
    package var logLevel: String?

    @Option(help: ArgumentHelp("text or json; text on a terminal, else json.", valueName: "format"))
    package var logFormat: String?

    package static let logLevelSetting = Setting("LOG_LEVEL", flag: "log-level")
    package static let logFormatSetting = Setting("LOG_FORMAT", flag: "log-format")
    package static let settings = [logLevelSetting, logFormatSetting]

    /// Required by the argument parser.
    public init() {}

    /// The flags that were given, by environment name.
    package var flags: [String: String] {
        ["LOG_LEVEL": logLevel, "LOG_FORMAT": logFormat].compactMapValues { $0 }
    }

    /// Starts logging as the settings say.
    package func startLogging(_ reader: inout SettingsReader) throws {
        let level = reader.choice(Self.logLevelSetting, default: LogLevel.info)
        let format: LogFormat? =
            reader.string(Self.logFormatSetting) == nil
            ? nil : reader.choice(Self.logFormatSetting, default: LogFormat.json)
        Core.startLogging(level: level.level, format: format)
    }
}

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
