import ArgumentParser
import Core

/// `sandbox kafka`: the mock cluster in the foreground.
struct KafkaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kafka",
        abstract: "A Kafka cluster in the foreground (librdkafka's mock cluster).",
        discussion: """
            Listens on a free port of 127.0.0.1, has the topics tweets (12 partitions) and tweets.events, prints what \
            to export, and ends at Ctrl-C or SIGTERM with everything in it.

              sandbox kafka --topic other:3
              export KAFKA_BOOTSTRAP_SERVERS=…      (the line it prints, in another terminal)
              kcat -b $KAFKA_BOOTSTRAP_SERVERS -L

            It is for behaviour, not for volume: it keeps only about 5 MiB or 100,000 messages a partition (older \
            ones vanish), keeps nothing on disk, has no replication and no CreateTopics request.
            """
    )

    @Option(name: .customLong("topic"), help: ArgumentHelp("One more topic.", valueName: "name:partitions"))
    var topics: [TopicArgument] = []

    @Option(help: "How many brokers.")
    var brokers = 1

    func run() throws {
        try runCommand {
            var all = ["tweets": 12, "tweets.events": 1]
            for topic in topics { all[topic.name] = topic.partitions }
            let sandbox = try KafkaSandbox(brokers: brokers, topics: all)
            defer { sandbox.destroy() }
            say("export KAFKA_BOOTSTRAP_SERVERS='\(sandbox.bootstrapServers)'")
            say("# topics: \(all.keys.sorted().joined(separator: ", ")); about 5 MiB a partition; Ctrl-C ends it")
            waitForEnd()
        }
    }
}

/// A topic on the command line: `name:partitions`.
struct TopicArgument: ExpressibleByArgument {
    let name: String
    let partitions: Int

    init?(argument: String) {
        let parts = argument.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let partitions = Int(parts[1]), partitions > 0 else { return nil }
        name = String(parts[0])
        self.partitions = partitions
    }
}
