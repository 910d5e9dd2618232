import ArgumentParser
import Core

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show the settings.", subcommands: [Show.self])

    /// Every setting.
    enum All: SettingGroup {
        static let settings = LoaderSettings.known
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show every setting with its value and source.",
            discussion: """
                Reads flags, environment and settings file as `run` does, and connects to nothing. Secrets are `set` or \
                `not set`.

                  tweet-loader config show --config loader.yaml
                  tweet-loader config show --json | jq '.settings[] | select(.source != "default")'

                Exit status: 0 done, 78 bad settings; each is shown with its error.
                """)

        @OptionGroup(title: "Settings") var all: SettingFlags<All>

        @Flag(help: "JSON instead of a table.")
        var json = false

        func run() throws {
            try runCommand {
                var reader = try SettingsReader(flags: all.values, known: LoaderSettings.known)
                CommonSettings.startLogging(&reader)
                _ = try LoaderSettings(&reader)
                try ConfigReport(LoaderSettings.groups, reader).show(json: json)
            }
        }
    }
}
