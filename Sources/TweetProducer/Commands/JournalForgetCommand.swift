import ArgumentParser
import Core
import Journal
import TweetFormat

struct JournalForgetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Dismiss a journal that was deleted.",
        discussion: """
            Its missing numbers and gaps no longer count in `tweet-loader verify` and `status`; its rows stay. The journal of \
            this folder records the reason as an event; a running producer appends it, otherwise this command does and the \
            next `run` publishes it. `tweet-loader forget journal` does the same without a producer.

              tweet-producer journal forget 39fefac2 --reason "trial run"

            Exit status: 0 done, or queued; 64 not an id; 74 the journal cannot be used; 75 another request is queued; \
            78 invalid settings.
            """)

    @OptionGroup var options: JournalCommand.Options

    @Argument(help: ArgumentHelp("Id of the journal, 8 digits, from `tweet-loader verify`.", valueName: "journal"))
    var id: String

    @Option(help: ArgumentHelp("Reason.", valueName: "text"))
    var reason: String

    func run() throws {
        try runCommand {
            let (folder, streams, _) = try options.read()
            guard streams.count == 1, let stream = streams.first else {
                throw Failure(
                    .usage, "\(folder) has the streams \(streams.joined(separator: ", ")): name one with --stream")
            }
            guard JournalIdentity.isID(id) else {
                throw Failure(.usage, "'\(id)' is not a journal's id: use 8 hexadecimal digits in lower case")
            }
            try Self.checkDeleted(id, in: folder)
            var event = PipelineEvent(.journalForgotten, cause: id)
            event.detail = try OperatorReason.read(reason)
            let isDone = try OperatorEvent(folder: folder, stream: stream, event: event).add()
            options.output.show(ForgottenJournal(journal: id, status: isDone ? "forgotten" : "queued"))
        }
    }

    /// Makes sure that a journal is not one of this folder's.
    ///
    /// - Throws: `Failure` 64 when it is, with the number of lines that Kafka has not acknowledged; `JournalError`.
    private static func checkDeleted(_ id: String, in folder: String) throws {
        for stream in try JournalStatus.streams(in: folder) {
            let status = try JournalStatus(folder: folder, stream: stream, quota: nil)
            guard status.journal == id else { continue }
            throw Failure(
                .usage,
                "\(id) is the journal of \(folder)/\(stream), which exists, with"
                    + " \(status.lastSeq - status.checkpoint) lines that Kafka has not acknowledged")
        }
    }
}

/// What came of dismissing a journal: `forgotten`, or `queued` for the running producer.
private struct ForgottenJournal: Report {
    let journal: String
    let status: String

    func text(on terminal: Terminal?) -> String {
        "journal \(journal): \(status)" + (status == "queued" ? " for the running producer" : "")
    }
}
