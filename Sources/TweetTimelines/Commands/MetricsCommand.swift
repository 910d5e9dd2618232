import ArgumentParser
import Core

struct MetricsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "List the metrics that `run` exports.",
        discussion: """
            `run` serves them at http://127.0.0.1:9466/metrics (--listen), in Prometheus's text format, or as OpenMetrics \
            when the request accepts that.

              tweet-timelines metrics
              tweet-timelines metrics --json | jq -r '.metrics[].name'
            """)

    @OptionGroup var output: OutputOptions

    func run() {
        output.show(MetricsReport(TimelineMetrics().registry))
    }
}
