import ArgumentParser
import Core
import KafkaClient
import Postgres
import TweetFormat

/// The parts around the pipeline, for a machine that has none of them: demo, test bed, offline development.

package struct SandboxCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Throw-away X, Kafka and PostgreSQL for demos, tests and offline work.",
        discussion: """
            Each part runs in the foreground, prints how to connect to it, and leaves nothing behind when it is \
            ended by Ctrl-C or SIGTERM.
            """,
        version: versionText([kafkaLibrary, postgresLibrary, jsonLibrary]),
        subcommands: [
            DemoCommand.self, XCommand.self, KafkaCommand.self, PostgresCommand.self, JournalWriterCommand.self,
            BenchCommand.self,
        ]
    )

    // Not asynchronous: Dispatch would take the main thread and let every signal through there, before `waitForEnd`.
    package static func main() {
        Service.prepareProcess()
        suggestSubcommand()
        main(nil)
    }

    /// Required by the argument parser.
    package init() {}
}
