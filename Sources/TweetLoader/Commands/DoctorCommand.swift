import ArgumentParser
import Core
import KafkaClient

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find what would keep the loader from working, or stop it later.",
        discussion: """
            Checks the settings, the files that they name, PostgreSQL (version, role, pooling, schema, durability, rights) and \
            Kafka, and prints a finding and a remedy each. It only reads.

              tweet-loader doctor --env-file /etc/tweet-pipeline/loader.env     what the service gets from systemd
              tweet-loader doctor --offline                                        without PostgreSQL and Kafka, as in CI

            Exit status: 0 nothing fails, else that of the first failure: 69 unavailable, 74 disk, 77 credentials rejected, \
            78 invalid settings.
            """)

    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup var doctor: DoctorOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try runCommand {
            var findings = try doctor.adoptEnvironment()
            var reader = try SettingsReader(
                flags: flags(common.values), known: LoaderSettings.known)
            let settings = try LoaderSettings(&reader)
            findings += reader.mistakes.map {
                .fail("settings", $0, remedy: "tweet-loader config show lists all of them")
            }
            if reader.mistakes.isEmpty {
                findings.append(.ok("settings", "valid"))
                let checks = LoaderDoctor(settings: settings)
                findings += checks.local(reader.environment) + (doctor.offline ? [] : checks.remote())
            }
            let report = DoctorReport(service: "tweet-loader", findings: findings)
            output.show(report)
            if let failure = report.failure { throw failure }
        }
    }
}
