import ArgumentParser
import Core
import Operations

struct HealthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask the running service of this host how it is.",
        discussion: """
            Asks http://127.0.0.1:9466/healthz (--listen). The verdict is that of the worst check: `ok`, `degraded` or \
            `failing`. Each check judges the age of what is pending; an account that fails is no failure of the service.

              tweet-timelines health                one line, for containers and monitoring plugins
              tweet-timelines health --verbose      every check, with what to do

            Exit status: 0 ok or degraded, 1 failing or no answer; with --strict 1 when degraded; with --nagios 0, 1, 2 or 3.
            """)

    @OptionGroup(title: "Metrics and health") var listening: SettingFlags<ListeningSettings>
    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup var options: HealthOptions

    func run() throws {
        var status: Int32 = 0
        try runCommand {
            var reader = try SettingsReader(
                flags: flags(listening.values, common.values), known: TimelinesService.known)
            let settings = ListenSettings.read(&reader, ListeningSettings.listen)
            try reader.finish()
            status = options.ask("tweet-timelines", settings)
        }
        if status != 0 { throw ExitCode(status) }
    }
}
