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
        abstract: "The times in which the stream was not connected, and how to fill them.",
        subcommands: [List.self, Repair.self, Close.self])

    /// The flags of both subcommands.
    struct Options: ParsableArguments {
        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>

        /// What they accept beside X's and the common settings.
        enum Flags: SettingGroup {
            static let settings = [JournalSettings.folder, StreamSettings.streamSetting, AccountPlan.setting]
        }

        @OptionGroup var own: SettingFlags<Flags>

        @Flag(help: "JSON instead of a table.")
        var json = false

        var flags: [String: String] { Core.flags(common.values, x.values, own.values) }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the gaps that are open, and how each could be filled.",
            discussion: """
                It only looks, also while a producer is at work. NEXT says how a gap could be filled: `recovery` (X sends \
                it again; enterprise plans, the last 24 hours), `search` (a search for each rule, paid by post; the last \
                seven days) or `too old`. STATUS `queued` means that a producer has the request of a `gaps repair`. Of a gap that began too long ago the latest part is filled; it stays open. The \
                ledger in the database (stream_gaps) has every gap for ever.

                  tweet-producer gaps list
                  tweet-producer gaps list --all --json | jq 'map(select(.status == "open"))'

                Exit status: 0 done, 74 the journal's folder cannot be read, 78 bad settings.
                """)

        @OptionGroup var options: Options

        @Flag(help: "Also those that are filled.")
        var all = false

        func run() throws {
            try runCommand {
                var reader = try SettingsReader(
                    flags: options.flags, known: ProducerSettings.known)
                let folder = reader.text(JournalSettings.folder)
                let stream = reader.text(StreamSettings.streamSetting)
                let plan = AccountPlan.read(&reader)
                CommonSettings.startLogging(&reader)
                try reader.finish()
                try requireJournal(folder, stream)
                let gaps = GapBook(folder: folder + "/" + stream).gaps.filter { all || $0.status == .open }
                let request = RepairRequest.waiting(in: folder + "/" + stream)
                let rows = gaps.map {
                    GapRow($0, plan: plan, now: .now(), isQueued: request?.asks(for: $0.seq) == true)
                }
                print(options.json ? try jsonText(rows) : GapRow.table(rows))
            }
        }
    }

    struct Repair: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fill gaps, or tell what that would cost.",
            discussion: """
                With an enterprise plan (--plan) X sends the last 24 hours again. Otherwise X's search is asked for each of \
                our rules at X, for at most --max-posts posts; what it finds is put into the journal as lines of their own, \
                which the loader takes like any other. A search is approximate: it leaves out reposts of keyword \
                rules and knows today's rules only.

                While a producer runs, it does the work: the request is left in its folder, the gaps are `queued` in \
                `gaps list`, and on a terminal (or with --wait) the command waits for the result. X finds a post only some \
                15 s after it was made. Otherwise it is done here, and published by the next `run`.

                --dry-run asks X's counts for each rule (each question costs about as much as one post) and changes nothing.

                  tweet-producer gaps repair --dry-run
                  tweet-producer gaps repair 4711 --max-posts 2000

                Exit status: 0 done, or queued; 64 a search without --max-posts; 65 a number that is no open gap; 69 a \
                gap could not be filled, or only its latest part; 74 the journal cannot be used; 75 X's limits, or the \
                producer ended before the work; 77 refused \
                credentials; 78 bad settings.
                """)

        @OptionGroup var options: Options

        @Argument(
            help: ArgumentHelp("Numbers of gaps, from `gaps list`; all that are open when none.", valueName: "gap"))
        var gaps: [Int64] = []

        @Option(
            help: ArgumentHelp(
                "Posts that searches may return (\(RepairSettings.postsSetting.environment); default 0).",
                valueName: "posts"))
        var maxPosts: String?

        @OptionGroup var price: SettingFlags<PriceFlag>

        @Flag(help: "Only tell posts and dollars.")
        var dryRun = false

        @Option(help: ArgumentHelp("Leave out gaps that are shorter (0s).", valueName: "time"))
        var minGap: String?

        @Flag(inversion: .prefixedNo, help: "Wait until a running producer has done it (on a terminal).")
        var wait: Bool?

        func run() throws {
            try runCommand {
                let own = flags(
                    price.values, [RepairSettings.postsSetting.environment: maxPosts].compactMapValues { $0 })
                var reader = try SettingsReader(
                    flags: flags(options.flags, own),
                    known: ProducerSettings.known)
                let folder = reader.text(JournalSettings.folder)
                var run = GapRepairRun(
                    stream: StreamSettings(&reader), folder: folder, price: PostPrice.read(&reader), json: options.json,
                    logger: Logger(label: "tweet-producer.gaps"))
                run.waits = wait ?? (isatty(STDOUT_FILENO) == 1)
                let shortest = minGap.map { Duration(setting: $0) } ?? .zero
                if shortest == nil {
                    reader.addMistake("--min-gap: '\(minGap ?? "")' is no time such as 500ms, 1s or 2m")
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
                counts in `tweet-loader verify` and `status`. The journal records it as an event; a running producer \
                appends it, otherwise this command does and the next `run` publishes it. A gap of a journal that was \
                deleted is dismissed with `tweet-producer journal forget`.

                  tweet-producer gaps close 4711 --reason "trial run"

                Exit status: 0 done, or queued; 65 a number that is no open gap; 74 the journal cannot be used; 75 another \
                request is queued; 78 bad settings.
                """)

        @OptionGroup var options: Options

        @Argument(help: ArgumentHelp("Number of the gap, from `gaps list`.", valueName: "gap"))
        var gap: Int64

        @Option(help: ArgumentHelp("Why it is accepted.", valueName: "text"))
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
                let open = GapBook(folder: folder + "/" + stream).gaps.filter { $0.status == .open && $0.end != nil }
                guard open.contains(where: { $0.seq == gap }) else {
                    throw Failure(.badData, "\(gap) is no open gap that has ended; see `tweet-producer gaps list`")
                }
                var event = PipelineEvent(.gapClosed)
                (event.seq, event.detail) = (gap, try OperatorEvent.reason(reason))
                let isDone = try OperatorEvent(folder: folder, stream: stream, event: event).add()
                print(
                    options.json
                        ? "{\"gap\":\(gap),\"status\":\"\(isDone ? "accepted" : "queued")\"}"
                        : "gap \(gap): \(isDone ? "accepted" : "queued for the producer that runs")")
            }
        }
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
