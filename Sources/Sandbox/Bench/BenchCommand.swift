import ArgumentParser
import Core

/// `sandbox bench`: how fast the pipeline is on this machine.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures the services on this machine, beside the usual tools.",
        discussion: """
            Starts a Kafka cluster (or uses TEST_KAFKA_BOOTSTRAP_SERVERS) and a PostgreSQL of its own, runs the services \
            beside this program as they are, and measures from outside. What a figure is compared with runs in the same \
            minutes on the same machine, because only ratios hold on a noisy one. `make bench` builds optimized first.

              sandbox bench                              everything, some minutes
              sandbox bench producer --lines 1000000
              sandbox bench loader --rows 100000 --json

            Needs curl and kcat for the producer, psql for the loader. Says on standard error what it does; results go to \
            standard output.
            """
    )

    /// A part of the measurements.
    enum Part: String, CaseIterable, ExpressibleByArgument {
        case producer, start, loader, latency
    }

    @Argument(help: "producer, start, loader, latency; all of them when none is given.")
    var parts: [Part] = []

    @Option(help: "Messages that the loader gets.")
    var rows = 200_000

    @Option(help: "Lines that the producer gets in one round.")
    var lines = 1_600_000

    @Option(help: "Rounds of the producer and of what it is compared with.")
    var rounds = 3

    @Option(help: "How long latency is measured.")
    var seconds = 20

    @Option(help: "Archived segments beside which the producer starts.")
    var segments = 10_000

    @Flag(help: "Results as JSON.")
    var json = false

    func validate() throws {
        let numbers = [
            ("rows", rows), ("lines", lines), ("rounds", rounds), ("seconds", seconds), ("segments", segments),
        ]
        for (name, number) in numbers where !(1...4_000_000).contains(number) {
            throw ValidationError("--\(name) is from 1 to 4000000.")
        }
    }

    func run() throws {
        try runCommand {
            var figures: [Figure] = []
            for part in parts.isEmpty ? Part.allCases : parts {
                switch part {
                case .producer: figures += try ProducerBench(lines: lines, rounds: rounds).run()
                case .start: figures += try StartBench(segments: segments).run()
                case .loader: figures += try LoaderBench(rows: rows).run()
                case .latency: figures += try LatencyBench(seconds: seconds).run()
                }
            }
            let report = BenchReport(command: command, figures: figures)
            say(json ? report.json : report.table)
        }
    }

    private var command: String {
        let names = parts.map { $0.rawValue + " " }.joined()
        return
            "sandbox bench \(names)--rows \(rows) --lines \(lines) --rounds \(rounds) --seconds \(seconds) --segments \(segments)"
    }
}
