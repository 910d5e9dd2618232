import ArgumentParser
import Core

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show the settings.", subcommands: [Show.self])

    /// Every setting.
    enum All: SettingGroup {
        static let settings = ProducerSettings.known
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show every setting with its value and source.",
            discussion: """
                Reads flags, environment and settings file as `run` does, and connects to nothing. Secrets are `set` or \
                `not set`.

                  tweet-producer config show --config producer.yaml
                  tweet-producer config show --json | jq '.settings[] | select(.source != "default")'

                Exit status: 0 done, 78 bad settings; each is shown with its error.
                """)

        @OptionGroup(title: "Settings") var all: SettingFlags<All>

        @Flag(help: "JSON instead of a table.")
        var json = false

        func run() throws {
            try runCommand {
                var reader = try SettingsReader(flags: all.values, known: ProducerSettings.known)
                CommonSettings.startLogging(&reader)
                _ = ProducerSettings(&reader)
                try ConfigReport(ProducerSettings.groups, reader).show(json: json)
            }
        }
    }
}
