import ArgumentParser
import Core
import Foundation
import Journal
import Logging
import TweetFormat
import XAPI

struct GapsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gaps",
        abstract: "List, fill and accept periods without a connection.",
        subcommands: [List.self, Repair.self, Close.self])

    /// The flags of both subcommands.
    struct Options: ParsableArguments {
        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>

        /// What they accept beside X's and the common settings.
        enum Flags: SettingGroup {
            static let settings =
                [JournalSettings.folder, StreamSettings.streamSetting, AccountPlan.setting] + StreamSource.settings
        }

        @OptionGroup var own: SettingFlags<Flags>

        @OptionGroup var output: OutputOptions

        var flags: [String: String] { Core.flags(common.values, x.values, own.values) }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List open gaps, and how each can be filled.",
            discussion: """
                It only reads, also beside a running producer. NEXT is how a gap can be filled: `recovery` (X sends \
                it again; enterprise plans, the last 24 hours), `search` (a search for each rule, charged per post; the last \
                seven days) or `too old`; a sample stream has no search (`no method`). STATUS `queued` means that a producer has \
                the request of a `gaps repair`. When a gap began too long ago, its latest part is filled and it stays open. \
                The ledger in the database (stream_gaps) keeps every gap.

                  tweet-producer gaps list
                  tweet-producer gaps list --all --json | jq '.gaps[] | select(.status == "open")'

                Exit status: 0 done, 74 the journal's folder cannot be read, 78 invalid settings.
                """)

        @OptionGroup var options: Options

        @Flag(help: "Include filled gaps.")
        var all = false

        func run() throws {
            try runCommand {
                var reader = try SettingsReader(
                    flags: options.flags, known: ProducerSettings.known)
                let folder = reader.text(JournalSettings.folder)
                let stream = reader.text(StreamSettings.streamSetting)
                let plan = AccountPlan.read(&reader)
                let kind = StreamSource.read(&reader).kind
                CommonSettings.startLogging(&reader)
                try reader.finish()
                try requireJournal(folder, stream)
                let gaps = OpenGaps(folder: folder + "/" + stream).gaps.filter { all || $0.status == .open }
                let request = RepairRequest.waiting(in: folder + "/" + stream)
                let rows = gaps.map {
                    GapRow(
                        $0, plan: plan, kind: kind, now: .now(), isQueued: request?.asks(for: $0.seq) == true)
                }
                options.output.show(GapList(gaps: rows))
            }
        }
    }

    struct Repair: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fill gaps, or estimate the cost.",
            discussion: """
                With an enterprise plan (--plan) X sends the last 24 hours again. Otherwise X is searched for each of \
                our rules at X, for at most --max-posts posts. The posts found are journalled as new lines, \
                which the loader loads like any other. A search is approximate: it omits reposts of keyword \
                rules, and uses today's rules.

                A running producer does the work: the command leaves a request in its folder, the gaps are `queued` in \
                `gaps list`, and on a terminal (or with --wait) the command waits for the result. X finds a post only some \
                15 s after it was made. Without a producer the command does the work, and the next `run` publishes it.

                --dry-run reads X's counts for each rule (each request costs about as much as one post) and changes nothing.

                  tweet-producer gaps repair --dry-run
                  tweet-producer gaps repair 4711 --max-posts 2000

                Exit status: 0 done, or queued; 64 a search without --max-posts; 65 no open gap of this number; 69 a \
                gap could not be filled, or only its latest part; 74 the journal cannot be used; 75 X's limits, or the \
                producer ended before the work; 77 credentials \
                rejected; 78 invalid settings.
                """)

        @OptionGroup var options: Options

        @Argument(
            help: ArgumentHelp("Numbers of gaps, from `gaps list`; default all open ones.", valueName: "gap"))
        var gaps: [Int64] = []

        /// What it accepts beside the flags of the other subcommands.
        enum Flags: SettingGroup {
            static let settings = [RepairSettings.budgetSetting, PostPrice.setting]
        }

        @OptionGroup var own: SettingFlags<Flags>

        @Flag(help: "Print the number of posts and the cost, then exit.")
        var dryRun = false

        @Option(help: ArgumentHelp("Skip shorter gaps (0s).", valueName: "time"))
        var minGap: String?

        @Flag(inversion: .prefixedNo, help: "Wait until a running producer has finished (default on a terminal).")
        var wait: Bool?

        func run() throws {
            try runCommand {
                var reader = try SettingsReader(
                    flags: flags(options.flags, own.values), known: ProducerSettings.known)
                let folder = reader.text(JournalSettings.folder)
                var run = GapRepairRun(
                    stream: StreamSettings(&reader, repairPosts: RepairSettings.budgetSetting), folder: folder,
                    price: PostPrice.read(&reader),
                    output: options.output,
                    logger: Logger(label: "tweet-producer.gaps"))
                run.waits = wait ?? (isatty(STDOUT_FILENO) == 1)
                let shortest = minGap.map { Duration(setting: $0) } ?? .zero
                if shortest == nil {
                    reader.addMistake("--min-gap: '\(minGap ?? "")' is not a time such as 500ms, 1s or 2m")
                }
                CommonSettings.startLogging(&reader)
                try reader.finish()
                try requireJournal(folder, run.stream.stream)
                try run.choose(gaps, shortest: shortest ?? .zero)
                if dryRun { try run.estimate() } else { try run.repair() }
            }
        }
    }
}

extension GapsCommand {
    struct Close: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Accept a gap as lost.",
            discussion: """
                The gap gets the status `accepted` with the reason, here and in the database (stream_gaps), and no longer \
                counts in `tweet-loader verify` and `status`. The journal records this as an event; a running producer \
                appends it, otherwise this command does and the next `run` publishes it. For a journal that was \
                deleted: use `tweet-producer journal forget`.

                  tweet-producer gaps close 4711 --reason "trial run"

                Exit status: 0 done, or queued; 65 no open gap of this number; 74 the journal cannot be used; 75 another \
                request is queued; 78 invalid settings.
                """)

        @OptionGroup var options: Options

        @Argument(help: ArgumentHelp("Number of the gap, from `gaps list`.", valueName: "gap"))
        var gap: Int64

        @Option(help: ArgumentHelp("Reason.", valueName: "text"))
        var reason: String

        func run() throws {
            try runCommand {
                var reader = try SettingsReader(
                    flags: options.flags, known: ProducerSettings.known)
                let folder = reader.text(JournalSettings.folder)
                let stream = reader.text(StreamSettings.streamSetting)
                CommonSettings.startLogging(&reader)
                try reader.finish()
                try requireJournal(folder, stream)
                let open = OpenGaps(folder: folder + "/" + stream).gaps.filter { $0.status == .open && $0.end != nil }
                guard open.contains(where: { $0.seq == gap }) else {
                    throw Failure(.badData, "\(gap) is not an open gap that has ended; see `tweet-producer gaps list`")
                }
                var event = PipelineEvent(.gapClosed)
                (event.seq, event.detail) = (gap, try OperatorReason.read(reason))
                let isDone = try OperatorEvent(folder: folder, stream: stream, event: event).add()
                options.output.show(ClosedGap(gap: gap, status: isDone ? "accepted" : "queued"))
            }
        }
    }
}

/// What came of closing a gap: `accepted`, or `queued` for the running producer.
private struct ClosedGap: Report {
    let gap: Int64
    let status: String

    func text(on terminal: Terminal?) -> String {
        "gap \(gap): \(status)" + (status == "queued" ? " for the running producer" : "")
    }
}

private func requireJournal(_ folder: String, _ stream: String) throws {
    guard try JournalStatus.streams(in: folder).contains(stream) else {
        throw Failure(
            .badSettings,
            "\(folder) has no journal of the stream '\(stream)'. Name folder and stream with JOURNAL_DIR (--journal)"
                + " and STREAM_NAME (--stream).")
    }
}
