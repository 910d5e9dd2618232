import ArgumentParser
import Core
import KafkaClient

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find what would keep the loader from working, or stop it later.",
        discussion: """
            Checks the settings, the files that they name, PostgreSQL (addresses, version, role, pooling, schema, durability, \
            rights, TLS, vacuum, locks, growth), Kafka (brokers, topics, rights, members of the group, how long the backlog is \
            kept), certificates and the receiver of the log, and prints a finding and a remedy each. It only reads.

              tweet-loader doctor --env-file /etc/tweet-pipeline/loader.env     what the service gets from systemd
              tweet-loader doctor --offline                                        without PostgreSQL and Kafka, as in CI
              tweet-loader doctor --probe                                          waits for the next heartbeat of a producer

            Exit status: 0 nothing fails, else that of the first failure: 69 unavailable, 74 disk, 77 credentials rejected, \
            78 invalid settings.
            """)

    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup var doctor: DoctorOptions
    @OptionGroup var output: OutputOptions

    @Flag(help: "Wait up to 90 s for the next heartbeat: it proves the way from a producer's journal to PostgreSQL.")
    var probe = false

    func validate() throws {
        if probe, doctor.offline { throw ValidationError("--probe needs PostgreSQL; leave out --offline") }
    }

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
                findings += checks.local + (doctor.offline ? [] : checks.remote())
                // Beside a broker without DescribeGroups, a client of librdkafka 2.0.2 was seen not to end: only on request.
                if probe { findings += [GroupDoctor(settings).finding, checks.probe(patience: .seconds(90))] }
            }
            let report = DoctorReport(service: "tweet-loader", findings: findings)
            output.show(report)
            if let failure = report.failure { throw failure }
        }
    }
}
