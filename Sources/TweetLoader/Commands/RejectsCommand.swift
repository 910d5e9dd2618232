import ArgumentParser
import Core
import Foundation
import Postgres

struct RejectsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rejects",
        abstract: "List, show and replay messages that did not become rows.",
        discussion: """
            A reject keeps the message's bytes and the reason. When the cause is fixed (a newer loader, a changed table), \
            replay makes rows of them; it may run repeatedly.

              tweet-loader rejects list --since 1d
              tweet-loader rejects show 17
              tweet-loader rejects replay --reason database
            """,
        subcommands: [RejectsListCommand.self, RejectsShowCommand.self, RejectsReplayCommand.self])
}

struct RejectsListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List rejects, newest first.",
        discussion: """
              tweet-loader rejects list --reason not_json --since 2h
              tweet-loader rejects list --partition tweets-3 --offsets 100-199
              tweet-loader rejects list --limit 1000 --json | jq '.rejects[].reason'
            """)

    @OptionGroup var selection: RejectSelection
    @OptionGroup var options: DatabaseCommandOptions

    @Option(help: "Largest number of rejects.")
    var limit = 50

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit: at least 1") }
    }

    func run() throws {
        try runCommand {
            options.output.show(
                try onDatabase(try options.conninfo(), role: .any) { connection in
                    let count = try connection.query(
                        "SELECT count(*) FROM rejects WHERE \(RejectSelection.condition)", selection.parameters,
                        doing: "count rejects")
                    let found = try StoredReject.read(selection, limit: limit, newestFirst: true, connection)
                    return RejectList(count: count.integer(0, 0) ?? 0, rejects: found.map(RejectList.Entry.init))
                })
        }
    }
}

/// Rejects without their bytes.
struct RejectList: Report {
    struct Entry: Encodable {
        let number: Int64
        let rejectedAt: String
        let reason: String
        let sqlstate: String?
        let detail: String?
        let stream: String?
        let journal: String?
        let seq: Int64?
        let topic: String
        let partition: Int32
        let offset: Int64
        /// Length of the value; nil when there is none.
        let bytes: Int?

        init(_ reject: StoredReject) {
            number = reject.id
            rejectedAt = reject.rejectedAt
            reason = reject.reason
            sqlstate = reject.sqlstate
            detail = reject.detail
            stream = reject.record.headers?.stream
            journal = reject.record.headers?.journal
            seq = reject.record.headers?.seq
            topic = reject.record.topicPartition.topic
            partition = reject.record.topicPartition.partition
            offset = reject.record.offset
            bytes = reject.value?.count
        }
    }

    /// How many are selected; perhaps more than are listed.
    let count: Int64
    let rejects: [Entry]

    func text(on terminal: Terminal?) -> String {
        guard !rejects.isEmpty else { return "no rejects" }
        let rows = rejects.map { reject in
            [
                "\(reject.number)", reject.rejectedAt, reject.reason + (reject.sqlstate.map { " \($0)" } ?? ""),
                "\(reject.topic)-\(reject.partition)@\(reject.offset)", reject.stream ?? "-",
                reject.seq.map(String.init) ?? "-", reject.bytes.map(String.init) ?? "-",
                String((reject.detail ?? "").prefix(60)),
            ]
        }
        let header = ["number", "rejected at", "reason", "place", "stream", "seq", "bytes", "detail"]
        let footer = count > rejects.count ? "... of \(count)" : nil
        return FittingTable(header: header, rows: rows, dispensable: [6, 4, 5], footer: footer).text(on: terminal)
    }
}

struct RejectsShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one reject with its bytes.",
        discussion: """
              tweet-loader rejects show 17
              tweet-loader rejects show 17 --raw | jq .       only the bytes of the message

            Exit status: 0 done, 65 no reject of that number.
            """)

    @Argument(help: "Number of the reject.")
    var number: Int64

    @OptionGroup var options: DatabaseCommandOptions

    @Flag(help: "Only the message's bytes.")
    var raw = false

    func run() throws {
        try runCommand {
            var selection = try RejectSelection.parse([])
            selection.numbers = [number]
            let found = try onDatabase(try options.conninfo(), role: .any) { connection in
                try StoredReject.read(selection, limit: 1, connection)
            }
            guard let reject = found.first else { throw Failure(.badData, "no reject has the number \(number)") }
            if raw { return FileHandle.standardOutput.write(Data(reject.value ?? [])) }
            options.output.show(RejectView(reject))
        }
    }
}

/// One reject with its bytes.
struct RejectView: Report {
    let entry: RejectList.Entry
    let receivedAt: String?
    let key: String?
    /// As text where it is UTF-8.
    let value: String?
    let valueBase64: String?

    init(_ reject: StoredReject) {
        entry = RejectList.Entry(reject)
        receivedAt = reject.record.headers?.receivedAt.description
        key = reject.key.map { String(decoding: $0, as: UTF8.self) }
        value = reject.value.flatMap { String(validating: $0, as: UTF8.self) }
        valueBase64 = reject.value.map { Data($0).base64EncodedString() }
    }

    func text(on terminal: Terminal?) -> String {
        let facts = [
            ["number", "\(entry.number)"], ["rejected at", entry.rejectedAt],
            ["reason", entry.reason + (entry.sqlstate.map { " \($0)" } ?? "")], ["detail", entry.detail ?? "-"],
            ["place", "\(entry.topic)-\(entry.partition)@\(entry.offset)"],
            ["line", entry.seq.map { "\(entry.stream ?? "") \(entry.journal ?? "") \($0)" } ?? "-"],
            ["received at", receivedAt ?? "-"], ["key", key ?? "-"],
            ["bytes", entry.bytes.map(String.init) ?? "no value"],
        ]
        let content = value ?? valueBase64.map { "not UTF-8, in base64: \($0)" }
        return TextTable.render(header: nil, facts) + (content.map { "\n\n\($0)" } ?? "")
    }
}

struct RejectsReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Load rejects that are valid now.",
        discussion: """
            Each reject is decoded and written as if Kafka delivered it now. Those that become rows or events are removed \
            from the rejects; the others stay. The ledger does not change, because these lines are settled already. It \
            may run beside loaders, and repeatedly.

              tweet-loader rejects replay --dry-run
              tweet-loader rejects replay --reason database --since 1d
              tweet-loader rejects replay 17 18

            For a line that Kafka rejected (refused_by_kafka) only the beginning is stored; the journal has the whole line.
            PAYLOAD must be the same as for the running loader.
            """)

    @OptionGroup var selection: RejectSelection
    @OptionGroup var options: DatabaseCommandOptions

    @Flag(help: "Show the result, and change nothing.")
    var dryRun = false

    func run() throws {
        try runCommand {
            let (conninfo, payload) = try options.read { reader in
                (
                    try DatabaseSettings.conninfo(&reader),
                    reader.choice(LoadingSettings.payload, PayloadMode.self) ?? .jsonb
                )
            }
            options.output.show(
                try onDatabase(conninfo, role: .writer) { connection in
                    try PayloadColumn.check(payload, connection)
                    var replay = RejectReplay(payload: payload, isDryRun: dryRun)
                    return try replay.run(selection, connection)
                })
        }
    }
}
