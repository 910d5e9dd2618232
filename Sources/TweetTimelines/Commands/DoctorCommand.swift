import ArgumentParser
import Core
import Postgres

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find what would keep timelines from being read, or stop them later.",
        discussion: """
            Checks the settings, the files that they name, the journal's disk, PostgreSQL (addresses, role, pooling, schema, \
            rights, TLS), that the key is that of the stored tokens, Kafka, its brokers and the receiver of the log, and prints \
            a finding and a remedy each. It calls X not at all; on the journal's disk it writes one file, and removes it.

              tweet-timelines doctor --env-file /etc/tweet-pipeline/timelines.env     what the service gets from systemd
              tweet-timelines doctor --offline                                           without PostgreSQL and Kafka, as in CI

            Exit status: 0 nothing fails, else that of the first failure: 69 unavailable, 74 disk, 77 credentials rejected, \
            78 invalid settings.
            """)

    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup var doctor: DoctorOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try runCommand {
            var findings = try doctor.adoptEnvironment()
            var reader = try SettingsReader(flags: flags(common.values), known: TimelinesService.known)
            let settings = try TimelineSettings(&reader)
            findings += reader.mistakes.map {
                .fail("settings", $0, remedy: "tweet-timelines config show lists all of them")
            }
            if reader.mistakes.isEmpty {
                findings.append(.ok("settings", "valid"))
                let checks = TimelineDoctor(settings: settings)
                findings += checks.local + (doctor.offline ? [] : checks.remote(now: .now()))
            }
            let report = DoctorReport(service: "tweet-timelines", findings: findings)
            output.show(report)
            if let failure = report.failure { throw failure }
        }
    }
}
