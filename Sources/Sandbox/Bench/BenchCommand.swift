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
        case producer, start, loader, latency, export, scale
    }

    @Argument(help: "producer, start, loader, latency, export, scale; all of them when none is given.")
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

    @Option(parsing: .upToNextOption, help: "Numbers of writers that the loader is measured with.")
    var writers = [1, 2, 4]

    @Option(parsing: .upToNextOption, help: "Shapes of the loader's lines: tweets, lean, whole.")
    var shapes = LoadShape.allCases.map(\.name)

    @Option(parsing: .upToNextOption, help: "Numbers of tweets of the part scale.")
    var scale = [200_000, 2_000_000, 10_000_000]

    @Option(help: "Tweets that are exported.")
    var exportRows = 1_000_000

    @Option(help: "Folder with copy_loader.py and confluent_producer.py, to compare with.")
    var peers: String?

    @Option(help: "Python with the modules that these programs need.")
    var python = "python3"

    @Flag(help: "List the loader's statements that take longest in PostgreSQL (pg_stat_statements).")
    var statements = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        let numbers = [
            ("rows", rows), ("lines", lines), ("rounds", rounds), ("seconds", seconds), ("segments", segments),
            ("export-rows", exportRows),
        ]
        let lists = writers.map { ("writers", $0) } + scale.map { ("scale", $0) }
        for (name, number) in numbers + lists where !(1...20_000_000).contains(number) {
            throw ValidationError("--\(name) is from 1 to 20000000.")
        }
        for name in shapes where !LoadShape.allCases.contains(where: { $0.name == name }) {
            throw ValidationError("--shapes: no shape is called '\(name)'; there are tweets, lean and whole.")
        }
    }

    func run() throws {
        try runCommand {
            var figures: [Figure] = []
            let peers = PythonPeers(folder: peers, python: python)
            for part in parts.isEmpty ? Part.allCases : parts {
                switch part {
                case .producer: figures += try ProducerBench(lines: lines, rounds: rounds, peers: peers).run()
                case .start: figures += try StartBench(segments: segments).run()
                case .loader: figures += try loaderBench(peers).run()
                case .export: figures += try ExportBench(rows: exportRows).run()
                case .scale: figures += try ScaleBench(sizes: scale, writers: writers).run()
                case .latency: figures += try LatencyBench(seconds: seconds).run()
                }
            }
            output.show(BenchReport(command: command, figures: figures))
        }
    }

    private func loaderBench(_ peers: PythonPeers) -> LoaderBench {
        LoaderBench(
            rows: rows, shapes: LoadShape.allCases.filter { shapes.contains($0.name) }, writers: writers, peers: peers,
            listsStatements: statements)
    }

    private var command: String {
        let names = parts.map { $0.rawValue + " " }.joined()
        let lists = "--writers \(Self.list(writers)) --scale \(Self.list(scale)) --export-rows \(exportRows)"
        return "sandbox bench \(names)--rows \(rows) --lines \(lines) --rounds \(rounds) --seconds \(seconds) "
            + "--segments \(segments) \(lists)"
    }

    private static func list(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: " ") }
}
