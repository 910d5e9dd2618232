import ArgumentParser

/// A service whose settings `config show` prints.
package protocol ConfiguredService: SendableMetatype {
    /// The program, as it is called.
    static var program: String { get }
    /// Every setting of the service, by group.
    static var groups: [any SettingGroup.Type] { get }
    /// Reads every setting as `run` does; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Throws: `SettingsError` when an error keeps others from being found.
    static func read(_ reader: inout SettingsReader) throws(SettingsError)
}

extension ConfiguredService {
    /// What the settings file may hold; one file serves every subcommand.
    package static var known: [Setting] { groups.flatMap { $0.settings } }
}

/// `config`, the same for every service.
package struct ConfigCommand<Configured: ConfiguredService>: ParsableCommand {
    /// For the argument parser.
    public static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "config", abstract: "Show the settings.", subcommands: [Show.self])
    }

    /// Required by the argument parser.
    public init() {}

    /// Every setting.
    enum All: SettingGroup {
        static var settings: [Setting] { Configured.known }
    }

    struct Show: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "show", abstract: "Show every setting with its value and source.",
                discussion: """
                    Reads flags, environment and settings file as `run` does, and connects to nothing. Secrets are `set` or \
                    `not set`.

                      \(Configured.program) config show --config settings.yaml
                      \(Configured.program) config show --json | jq '.settings[] | select(.source != "default")'

                    Exit status: 0 done, 78 bad settings; each is shown with its error.
                    """)
        }

        @OptionGroup(title: "Settings") var all: SettingFlags<All>

        @OptionGroup var output: OutputOptions

        func run() throws {
            try runCommand {
                var reader = try SettingsReader(flags: all.values, known: Configured.known)
                CommonSettings.startLogging(&reader)
                try Configured.read(&reader)
                output.show(ConfigReport(Configured.groups, reader))
                try reader.finish()
            }
        }
    }
}
