import ArgumentParser
import Core
import XAPI

struct StreamsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "streams",
        abstract: "Declare, run and watch the streams of this host.",
        discussion: """
            A file declares every stream (docs/streams.md):

              defaults: { kafka_bootstrap_servers: 'localhost:9092' }
              streams:
                - name: fintwit
                  token_file: tokens/fintwit
                  rules_file: rules/fintwit.yaml

            `plan` shows what would change on this host, `apply` does it, `status` shows what comes of it:
              tweet-producer streams validate
              tweet-producer streams plan
              tweet-producer streams apply
              tweet-producer streams status --check

            `add`, `activate`, `deactivate` and `remove` change the file, keep its comments, and apply. The journal of a \
            stream always stays.

            Exit status: 0 done, 1 --check: a stream is not healthy, 2 --exit-code: changes are pending, 64 no --yes without \
            a terminal, 69 the supervisor is unreachable, 74 disk, 75 another command is at work, 78 errors in the file, or \
            a stream that does not start.
            """,
        subcommands: [
            List.self, Validate.self, Plan.self, Apply.self, Status.self, Add.self, Activate.self, Deactivate.self,
            Remove.self,
        ])

    /// The flags of every subcommand.
    struct Options: ParsableArguments {
        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "Streams") var streams: SettingFlags<FleetSettings>

        /// Reads the settings and starts logging.
        ///
        /// - Returns: the settings.
        /// - Throws: `Failure` (78) that lists every error.
        func read() throws -> FleetSettings {
            var reader = try SettingsReader(
                flags: flags(common.values, streams.values), known: ProducerSettings.known)
            let settings = FleetSettings(&reader)
            CommonSettings.startLogging(&reader)
            try reader.finish()
            return settings
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the streams of the file.",
            discussion: """
                It only reads the file.

                  tweet-producer streams list
                  tweet-producer streams list --json | jq -r '.streams[] | select(.is_active).name'

                Exit status: 0 done, 78 errors in the form of the file.
                """)

        @OptionGroup var options: Options
        @OptionGroup var output: OutputOptions

        func run() throws {
            try runCommand {
                let file = try StreamsFile.read(options.read().file)
                output.show(StreamList(file))
                try file.requireForm()
            }
        }
    }

    struct Validate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check the file without changing anything.",
            discussion: """
                Reports all errors with their lines: the form of the file; the settings of each active stream, as `run` \
                reads them, with token and rules file; and two active streams with the same token.

                  tweet-producer streams validate
                  tweet-producer streams validate --json | jq -r '.errors[]'

                Exit status: 0 the file is valid, 78 it has errors.
                """)

        @OptionGroup var options: Options
        @OptionGroup var output: OutputOptions

        func run() throws {
            try runCommand {
                let file = try StreamsFile.read(options.read().file)
                let view = StreamsValidity(file)
                if output.json || view.isValid { output.show(view) }
                try file.requireGood()
            }
        }
    }
}

/// Whether a file is valid.
struct StreamsValidity: Report {
    let file: String
    let isValid: Bool
    let streams: Int
    let active: Int
    /// One text each, as on standard error.
    let errors: [String]

    init(_ file: StreamsFile) {
        (self.file, streams, active) = (file.path, file.streams.count, file.active.count)
        errors = file.errors
        isValid = errors.isEmpty
    }

    func text(on terminal: Terminal?) -> String { "\(file): \(counted(streams, "stream")), \(active) active" }
}

/// The streams of a file.
struct StreamList: Report {
    /// A stream as the file declares it; paths are absolute.
    struct Stream: Encodable {
        let name: String
        let kind: String
        let partition: String?
        let isActive: Bool
        let tokenFile: String?
        let rulesFile: String?
        let journal: String

        init(_ stream: DeclaredStream) {
            (name, kind, partition) = (stream.name, stream.kind.rawValue, stream.partition)
            isActive = stream.isActive
            (tokenFile, rulesFile) = (stream.text(BearerToken.fileSetting), stream.text(RulesFile.setting))
            journal = stream.journal
        }
    }

    let streams: [Stream]

    init(_ file: StreamsFile) { streams = file.streams.map(Stream.init) }

    func text(on terminal: Terminal?) -> String {
        if streams.isEmpty { return "no streams" }
        let rows = streams.map { stream in
            [
                stream.name, stream.kind + (stream.partition.map { "/\($0)" } ?? ""), stream.isActive ? "yes" : "no",
                stream.tokenFile ?? "-", stream.rulesFile ?? "-", stream.journal,
            ].map(\.plain)
        }
        return FittingTable(
            header: ["STREAM", "KIND", "ACTIVE", "TOKEN", "RULES", "JOURNAL"], rows: rows, dispensable: [5, 4, 3]
        ).text(on: terminal)
    }
}
