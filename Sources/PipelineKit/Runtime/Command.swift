import ArgumentParser

/// What the subcommands of both services have in common: logging, the settings file, and how a failure ends.
package struct CommonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Settings file (YAML, one `name: value` a line).", valueName: "file"))
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
        PipelineKit.startLogging(level: level.level, format: format)
    }
}

/// Runs a command's body; a `Failure` is told on standard error and ends the process with its status.
package func runCommand(_ body: () throws -> Void) throws {
    do { try body() } catch let failure as Failure {
        let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "command"
        let lines = failure.description.split(separator: "\n").map { "\(program): error: \($0)\n" }
        writeToStandardError(lines.joined())
        throw ExitCode(failure.status.rawValue)
    }
}
