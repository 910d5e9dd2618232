import ArgumentParser
import Core
import Logging

/// `sandbox demo`: the pipeline at work, and at its worst.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "The whole pipeline on this machine, while things are being killed.",
        discussion: """
            Starts the simulator, a Kafka cluster and a PostgreSQL of its own, then tweet-loader and two producers: one of the \
            filtered stream, one of a sample. At first supervisord runs both (where it is installed), as a `streams.yaml` \
            declares them, and a filter is added while they run. Then, as processes of the demo, while tweets arrive, streams \
            are closed and reset, both services are killed by SIGKILL, and PostgreSQL stops for some seconds. When all is quiet, \
            the simulator's own record of what it sent is compared with the table. Everything is deleted at the end, also \
            after Ctrl-C.

              sandbox demo
              sandbox demo --input tweets.jsonl     your own lines of JSON, as X sends them
              sandbox demo --keep                   leaves everything running until Ctrl-C, to look around
              sandbox demo --timelines              the home timelines of twelve users instead

            With --timelines two tweet-timelines read the timelines; one is killed in the middle, all tokens expire, PostgreSQL \
            stops, and the application deletes a token and removes an account. At the end each timeline is compared with what X \
            offered to its user.

            The last line is `demo: ok received=… stored=… duplicates=… rejected=… missing=0` and the exit status 0, or \
            `demo: failed …` and another status. received is what the producer journalled: received = stored + \
            duplicates + rejected.
            """
    )

    @Option(help: ArgumentHelp("A file with one JSON object a line (repeatable).", valueName: "file"))
    var input: [String] = []

    @Option(help: "How long the stream runs.")
    var seconds = 20

    @Option(help: "Seed of the generated tweets.")
    var seed: UInt64 = 1

    @Flag(help: "Show home timelines of users instead of streams.")
    var timelines = false

    @Flag(help: "At the end leave everything running until Ctrl-C.")
    var keep = false

    func validate() throws {
        guard (5...3600).contains(seconds) else { throw ValidationError("--seconds is from 5 to 3600.") }
        guard !timelines || (input.isEmpty && !keep) else {
            throw ValidationError("--timelines has neither --input nor --keep.")
        }
    }

    func run() throws {
        let stop = Stop()
        let settings = self
        try runCommand {
            let feed: FeedSource = input.isEmpty ? .generator(seed: seed, count: nil) : try .files(input)
            try Service.run(
                [
                    Service.Loop("demo") {
                        defer { stop.raise(drain: .zero) }
                        if timelines {
                            try TimelineDemo(settings, stop: stop).run()
                        } else {
                            try Demo(settings, feed: feed, stop: stop).run()
                        }
                    }
                ], stop: stop, drain: .seconds(20), logger: Logger(label: "sandbox"))
        }
    }
}
