import ArgumentParser
import Core
import Digests
import HTTP
import LogShipping
import Postgres
import TweetFormat

package struct TweetTimelinesCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tweet-timelines",
        abstract: "Manage the accounts whose home timelines are read.",
        discussion: """
            PostgreSQL holds the accounts and their tokens, encrypted with the key in TIMELINE_KEY_FILE. Applications may \
            add and delete accounts by SQL (docs/timelines.md).

              export DATABASE_URL=postgresql://tweets@localhost/tweets
              export X_CLIENT_ID=… TIMELINE_KEY_FILE=/etc/tweet-pipeline/timelines.key
              tweet-timelines accounts login     logs a user in
              tweet-timelines accounts list      shows accounts and their states

            Exit status: 0 done, 64 usage, 65 invalid input, 69 unavailable, 75 try again later, 77 credentials rejected, \
            78 invalid settings.
            """,
        version: versionText([postgresLibrary, jsonLibrary] + digestLibraries + [httpLibrary]),
        subcommands: [
            AccountsCommand.self, LogsCommand<TimelinesService>.self, ConfigCommand<TimelinesService>.self,
        ]
    )

    /// Required by the argument parser.
    package init() {}

    package static func main() {
        suggestSubcommand()
        main(nil)
    }
}

/// The service, as `config show` sees it.
enum TimelinesService: ConfiguredService {
    static let program = "tweet-timelines"
    static let groups: [any SettingGroup.Type] = [
        DatabaseSettings.self, TokenSettings.self, LogHTTPSettings.self, CommonSettings.self,
    ]

    static func read(_ reader: inout SettingsReader) throws(SettingsError) {
        _ = try TokenAccess(&reader)
        _ = LogShippingSettings.read(&reader)
    }
}
