import ArgumentParser
import Core
import Logging
import Postgres

struct ConsoleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console",
        abstract: "Show the archive and its state as web pages.",
        discussion: """
            A process of its own that only reads PostgreSQL: overview, rules, gaps, rejects, tweets, timelines, exports. It \
            changes nothing: pages show the command to copy. It listens on http://127.0.0.1:8080/ unless CONSOLE_LISTEN names another address, which needs a \
            token file. Give it a role that can only read: docs/console.md.

              tweet-loader console --database postgresql://reader@localhost/tweets
              ssh -L 8080:127.0.0.1:8080 host      shows the pages of that host

            Exit status: 0 ended by SIGTERM or SIGINT; 78 invalid settings, or the address is in use.
            """)

    @OptionGroup var database: SettingFlags<DatabaseSettings>
    @OptionGroup(title: "Console") var console: SettingFlags<ConsoleSettings>
    @OptionGroup(title: "Watching") var watching: SettingFlags<WatchSettings>
    @OptionGroup var common: SettingFlags<CommonSettings>

    func run() throws {
        Service.prepareProcess()
        try runCommand {
            var reader = try SettingsReader(
                flags: flags(database.values, console.values, watching.values, common.values),
                known: LoaderSettings.known)
            let configuration = try ConsoleConfiguration(&reader)
            CommonSettings.startLogging(&reader)
            try reader.finish()
            try Console.run(configuration, logger: Logger(label: "tweet-loader"))
        }
    }
}
