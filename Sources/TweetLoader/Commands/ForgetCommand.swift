import ArgumentParser
import Core
import Journal
import KafkaClient
import Postgres

struct ForgetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Dismiss topics and journals that are no longer used.",
        discussion: """
            `verify` and `status` no longer count a dismissed topic's partitions and holes, or a dismissed journal's missing \
            numbers and gaps. Rows stay. A topic counts again when a loader commits to it later.

              tweet-loader forget topic tweeets --reason "mistyped"
              tweet-loader forget journal 39fefac2 --reason "trial run"
              tweet-loader forget list --json
              tweet-loader forget undo journal 39fefac2
            """,
        subcommands: [Topic.self, Journal.self, List.self, Undo.self])

    /// What both kinds ask for.
    struct Options: ParsableArguments {
        @Option(help: ArgumentHelp("Reason.", valueName: "text"))
        var reason: String

        @Flag(help: "Dismiss it although it was in use within the last hour, or messages of the topic are pending.")
        var yes = false

        @OptionGroup var base: DatabaseCommandOptions
    }

    struct Topic: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Dismiss a topic.",
            discussion: """
                A topic with messages that are not loaded is not dismissed unless --yes is given.

                Exit status: 0 done, 65 no such topic, 69 Kafka could not be asked for pending messages, 75 it is in use or \
                messages are pending.
                """)

        @Argument(help: ArgumentHelp("Name of the topic.", valueName: "name"))
        var name: String

        @OptionGroup var options: Options
        @OptionGroup var kafka: SettingFlags<KafkaSettings>

        func run() throws {
            try runCommand {
                if !options.yes {
                    let settings = try options.base.read(flags: flags(kafka.values)) { reader in
                        try LoaderSettings(&reader)
                    }
                    try PendingMessages(topic: name, settings).check()
                }
                try Dismissal.topic(name, reason: options.reason).run(options)
            }
        }
    }

    struct Journal: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Dismiss a journal.", discussion: "Exit status: 0 done, 65 no such journal, 75 it is in use.")

        @Argument(help: ArgumentHelp("Id of the journal, from `verify`.", valueName: "id"))
        var id: String

        @OptionGroup var options: Options

        func run() throws {
            try runCommand { try Dismissal.journal(id, reason: options.reason).run(options) }
        }
    }

    struct Undo: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Count a topic or journal again.")

        @Argument(help: ArgumentHelp("topic or journal.", valueName: "kind"), completion: .list(["topic", "journal"]))
        var kind: String

        @Argument(help: ArgumentHelp("Its name or id.", valueName: "name"))
        var name: String

        @OptionGroup var options: DatabaseCommandOptions

        func run() throws {
            try runCommand {
                try onDatabase(try options.conninfo(), role: .writer) { connection in
                    guard try Dismissal.undo(kind, name, connection) else {
                        throw Failure(.badData, "no \(kind) '\(name)' was dismissed; see `tweet-loader forget list`")
                    }
                }
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what was dismissed, when and why.")

        @OptionGroup var options: DatabaseCommandOptions

        func run() throws {
            try runCommand {
                let report = try onDatabase(try options.conninfo(), role: .writer) { connection in
                    try DismissedReport(connection)
                }
                options.output.show(report)
            }
        }
    }
}

/// One topic or journal that an operator dismisses.
struct Dismissal {
    let kind: String
    let name: String
    let reason: String
    /// Returns how many rows name it, and when it was in use last; `$1` is the name.
    private let lastUseSQL: String

    static func topic(_ name: String, reason: String) -> Dismissal {
        Dismissal(
            kind: "topic", name: name, reason: reason,
            lastUseSQL: "SELECT count(*), max(committed_at) FROM loader_offsets WHERE topic = $1")
    }

    static func journal(_ id: String, reason: String) -> Dismissal {
        Dismissal(
            kind: "journal", name: id, reason: reason,
            lastUseSQL: """
                SELECT count(*), max(at) FROM (
                    SELECT folded_at AS at FROM stream_ledger WHERE journal = $1
                    UNION ALL SELECT settled_at FROM stream_ledger_pending WHERE journal = $1
                    UNION ALL SELECT NULL FROM stream_gaps WHERE journal = $1) uses
                """)
    }

    func run(_ options: ForgetCommand.Options) throws {
        guard (1...1000).contains(reason.count) else {
            throw Failure(.usage, "--reason: must have 1 to 1,000 characters")
        }
        try onDatabase(try options.base.conninfo(), role: .writer) { connection in
            try record(connection, alsoInUse: options.yes)
        }
    }

    /// Records it.
    ///
    /// - Throws: `Failure` 65 when nothing has that name, 75 when it was in use within the last hour; `PostgresError`.
    func record(_ connection: borrowing PostgresConnection, alsoInUse: Bool = false) throws {
        let answer = try connection.query(
            "SELECT count, max, max > now() - interval '1 hour' FROM (\(lastUseSQL)) uses", [name],
            doing: "look for the \(kind)")
        guard (answer.integer(0, 0) ?? 0) > 0 else {
            throw Failure(.badData, "no \(kind) '\(name)' is known; see `tweet-loader status`")
        }
        if answer.text(0, 2) == "t", !alsoInUse {
            throw Failure(
                .tryAgain,
                "\(kind) '\(name)' was in use at \(answer.text(0, 1) ?? ""), less than an hour ago. Stop what uses it and"
                    + " wait, or pass --yes.")
        }
        try connection.execute("BEGIN")
        try Self.undo(kind, name, connection)
        try Dismissals.dismiss(kind, name, reason: reason, connection)
        try connection.execute("COMMIT")
    }

    /// Counts it again; returns whether it was dismissed.
    @discardableResult
    static func undo(
        _ kind: String, _ name: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        try connection.query(
            "DELETE FROM dismissed WHERE kind = $1 AND name = $2", [kind, name], doing: "count again"
        ).affectedRows == 1
    }
}

/// What was dismissed.
struct DismissedReport: Report {
    var forgotten: [Dismissals.Entry]

    init(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        forgotten = try Dismissals.entries(inEffect: false, connection)
    }

    func text(on terminal: Terminal?) -> String {
        guard !forgotten.isEmpty else { return "nothing was dismissed" }
        let rows = forgotten.map { [$0.kind, $0.name, $0.dismissedAt, $0.reason] }
        return FittingTable(header: ["kind", "name", "since", "reason"], rows: rows).text(on: terminal)
    }
}

extension PendingMessages {
    /// Makes sure that nothing is pending.
    ///
    /// - Throws: `Failure` 75 when messages are pending, 69 when Kafka did not answer.
    func check() throws(Failure) {
        if let problem {
            throw Failure(
                .unavailable,
                "whether messages of topic '\(topic)' are pending could not be checked: \(problem). Try again when Kafka is"
                    + " reachable, or pass --yes.")
        }
        guard count == 0 else {
            throw Failure(
                .tryAgain,
                "\(counted(count, "message")) of topic '\(topic)' \(count == 1 ? "is" : "are") in Kafka and not loaded. Load"
                    + " them, or pass --yes.")
        }
    }
}
