import ArgumentParser
import Core
import Foundation
import Journal

struct JournalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Show and verify the journal and its archive.",
        subcommands: [StatusCommand.self, VerifyCommand.self, JournalForgetCommand.self])

    /// The flags of both subcommands.
    struct Options: ParsableArguments {
        /// What it accepts beside the common settings.
        enum Flags: SettingGroup {
            static let settings = [JournalSettings.folder]
        }

        @OptionGroup var journal: SettingFlags<Flags>

        @Option(help: ArgumentHelp("Only this stream; without it, every stream of the folder.", valueName: "name"))
        var stream: String?

        @OptionGroup var output: OutputOptions

        @OptionGroup var common: SettingFlags<CommonSettings>
    }

    struct StatusCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status",
            abstract: "Show size, archive and progress of the journal.",
            discussion: """
                It only reads, also beside a running producer. `state` is `writing`, or the reason why that producer \
                does not read X now.

                  tweet-producer journal status
                  tweet-producer journal status --json | jq '.journals[] | select(.unacknowledged > 100000)'
                """)

        @OptionGroup var options: Options

        func run() throws {
            try runCommand {
                let (folder, streams, quota) = try options.read()
                let all = try streams.map { try JournalStatus(folder: folder, stream: $0, quota: quota) }
                options.output.show(JournalList(journals: all))
            }
        }
    }

    struct VerifyCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Read the whole journal, and report what is missing or damaged.",
            discussion: """
                Every file of the archive is read to its end and compared with the manifest's digests, every line of the \
                journal with its checksum, and every sequence number must be somewhere: in a file, or in the manifest as \
                removed or dropped. Every line must have a time of receipt, and every uploaded file the manifest's \
                checksum. It only reads, also beside a running producer.

                  tweet-producer journal verify
                  tweet-producer journal verify --json | jq '.journals[].problems'

                Exit status: 0 OK, 65 something is missing or damaged.
                """)

        @OptionGroup var options: Options

        func run() throws {
            try runCommand {
                let (folder, streams, _) = try options.read()
                let all = try streams.map { try JournalVerification(folder: folder, stream: $0) }
                options.output.show(VerifiedJournals(journals: all))
                guard all.allSatisfy(\.problems.isEmpty) else { throw ExitCode(ExitStatus.badData.rawValue) }
            }
        }
    }
}

extension JournalCommand.Options {
    /// The journal's folder, its streams, and the quota that is set.
    func read() throws -> (folder: String, streams: [String], quota: Int64?) {
        var reader = try SettingsReader(flags: flags(common.values, journal.values), known: ProducerSettings.known)
        let folder = reader.text(JournalSettings.folder)
        let quota = JournalSettings.readQuota(&reader)
        CommonSettings.startLogging(&reader)
        try reader.finish()
        let streams = try JournalStatus.streams(in: folder).filter { stream == nil || $0 == stream }
        guard !streams.isEmpty else {
            throw Failure(
                .badSettings,
                "\(folder) has no journal\(stream.map { " of the stream '\($0)'" } ?? "")."
                    + " Name the journal's folder with JOURNAL_DIR (--journal).")
        }
        return (folder, streams, quota)
    }
}

/// The journals of a folder.
private struct JournalList: Report {
    let journals: [JournalStatus]

    func text(on terminal: Terminal?) -> String {
        journals.map { $0.table.text(on: terminal) }.joined(separator: "\n\n")
    }
}

/// What was checked of the journals of a folder, and the problems found.
private struct VerifiedJournals: Report {
    let journals: [JournalVerification]

    func text(on terminal: Terminal?) -> String { journals.map(\.text).joined(separator: "\n\n") }
}

extension JournalStatus {
    /// A line for each fact.
    fileprivate var table: FittingTable {
        let range = firstSeq.map { "\($0) to \(lastSeq)" } ?? "none"
        let quota = quotaBytes.map { " of \($0)" } ?? ", no quota"
        return FittingTable(
            header: nil,
            rows: [
                ["stream", "\(stream) (journal \(journal))"],
                ["folder", folder],
                ["state", process.map { "\(state ?? ""), \($0)" } ?? "no producer is running"],
                ["lines", "\(lines) in \(segments) files, \(bytes) bytes; numbers \(range)"],
                ["acknowledged", "up to \(checkpoint); \(unacknowledged) not yet"],
                ["archived", "\(archived.lines) lines in \(archived.segments) files, \(archived.bytes) bytes"],
            ]
                + (pausedTopic.map { [["publishing", "paused: topic \($0) rejects every record (see the log)"]] } ?? [])
                + (uploads.map { [["uploaded", $0.text]] } ?? []) + [
                    ["removed", "\(removedLines) lines; \(droppedLines) dropped"],
                    ["used", "\(usedBytes) bytes\(quota); reserve \(holdsReserve ? "held" : "not held")"],
                ])
    }
}

extension JournalStatus.Uploads {
    fileprivate var text: String {
        let waiting = waitingSegments == 0 ? "" : "; \(waitingSegments) files, \(waitingBytes) bytes not yet"
        let how = state.map { ", \($0)" + (stateAt.map { " since \($0)" } ?? "") } ?? ""
        return "\(segments) files, \(bytes) bytes\(waiting)\(how)"
    }
}

extension JournalVerification {
    /// What was checked, and the problems found, as text.
    fileprivate var text: String {
        let summary =
            "\(stream) (journal \(journal)): \(lines) lines in \(files) files, \(bytes) bytes;"
            + " \(removedLines) lines removed, \(droppedLines) dropped"
        let findings = problems.map { "  problem: \($0)" }
        return ([summary] + (findings.isEmpty ? ["  OK"] : findings)).joined(separator: "\n")
    }
}
