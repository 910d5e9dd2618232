import ArgumentParser
import Core
import KafkaClient
import XAPI

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find what would keep the producer from working, or stop it later.",
        discussion: """
            Checks the settings, the files that they name, the journal and its disk, the money, X and its addresses, Kafka and \
            each of its brokers, S3, certificates and the receiver of the log, and prints a finding and a remedy each. It \
            changes nothing; on the journal's disk it writes one file, and removes it. With --probe it also asks Kafka for a \
            producer id, and uploads an object of 22 bytes to the bucket of ARCHIVE_S3_URL, verifies and deletes it.

              tweet-producer doctor --env-file /etc/tweet-pipeline/producer.env     what the service gets from systemd
              tweet-producer doctor --offline                                        without X and Kafka, as in CI
              tweet-producer doctor --probe                                          waits for the running producer's next line

            Exit status: 0 nothing fails, else that of the first failure: 69 unavailable, 74 disk, 77 credentials rejected, \
            78 invalid settings.
            """)

    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup var doctor: DoctorOptions
    @OptionGroup var output: OutputOptions

    @Flag(
        help: """
            Write to Kafka and S3 what nobody keeps, and wait up to 90 s until Kafka has acknowledged the next line of the \
            producer that runs here.
            """)
    var probe = false

    func validate() throws {
        if probe, doctor.offline { throw ValidationError("--probe needs the running producer; leave out --offline") }
    }

    func run() throws {
        try runCommand {
            var findings = try doctor.adoptEnvironment()
            var reader = try SettingsReader(
                flags: flags(common.values), known: ProducerSettings.known)
            let settings = ProducerSettings(&reader)
            findings += reader.mistakes.map {
                .fail("settings", $0, remedy: "tweet-producer config show lists all of them")
            }
            if reader.mistakes.isEmpty {
                findings.append(.ok("settings", "valid"))
                let checks = ProducerDoctor(settings: settings)
                findings += checks.local(now: .now()) + (doctor.offline ? [] : checks.remote(now: .now()))
                if probe { findings += checks.probe(patience: .seconds(90)) }
            }
            let report = DoctorReport(service: "tweet-producer", findings: findings)
            output.show(report)
            if let failure = report.failure { throw failure }
        }
    }
}
