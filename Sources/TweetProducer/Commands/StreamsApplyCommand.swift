import ArgumentParser
import Core

extension StreamsCommand {
    struct Plan: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the changes that `streams apply` would make.",
            discussion: """
                Compares the file with the settings files of this host and with what the supervisor runs. Nothing is changed.

                Exit status: 0 done, 2 with --exit-code when changes are pending, 69 the supervisor is unreachable, 78 errors \
                in the file or in the supervisor's configuration.
                """)

        @OptionGroup var options: Options
        @OptionGroup var output: OutputOptions

        @Flag(help: "Exit with 2 when changes are pending.")
        var exitCode = false

        func run() throws {
            var isEmpty = true
            try runCommand {
                let settings = try options.read()
                let file = try StreamsFile.read(settings.file)
                try file.requireGood()
                let fleet = try Fleet(settings)
                let plan = try fleet.application.compare(fleet.desired(file)).plan
                isEmpty = plan.isEmpty
                output.show(StreamsPlanView(plan))
            }
            if exitCode, !isEmpty { throw ExitCode(2) }
        }
    }

    struct Apply: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the streams of this host those of the file.",
            discussion: """
                Checks the file, shows the changes, writes the settings files of the active streams, and starts, restarts and \
                stops exactly the streams that differ. It waits until each started stream has accepted its settings and opened \
                its journal. A stream that ends instead is reported, and its earlier settings are restored; X or Kafka being \
                unreachable is no reason for that.

                When it is interrupted, the next `streams apply` completes it. It may run at boot and by a timer:
                  tweet-producer streams apply --yes

                Exit status: 0 done or nothing to do, 64 no --yes without a terminal, 69 the supervisor is unreachable, \
                74 disk, 75 another command is at work, 78 errors in the file, or a stream that does not start.
                """)

        @OptionGroup var options: Options
        @OptionGroup var output: OutputOptions

        @Flag(help: "Change the streams without confirmation.")
        var yes = false

        func run() throws {
            try runCommand {
                let settings = try options.read()
                let fleet = try Fleet(settings)
                let lock = try fleet.application.files.lock()
                // Whoever held the lock may have changed the file.
                let file = try StreamsFile.read(settings.file)
                try file.requireGood()
                try StreamsChange(fleet: fleet, output: output).run(file) { plan in
                    try plan.isEmpty || yes || confirm("Change the streams of this host?")
                }
                _ = consume lock
            }
        }
    }
}

/// Shows a plan, asks, carries it out and shows what became of it; the lock must be held.
struct StreamsChange {
    let fleet: Fleet
    let output: OutputOptions

    /// - Parameters:
    ///   - file: that declares the streams.
    ///   - old: the file that it replaces on the disk; nil for one that is there already.
    ///   - isConfirmed: whether the changes shall be made.
    /// - Throws: `StreamsError`: `retry` when somebody else has changed the file meanwhile; `Failure` (78) when a stream does not
    ///   start.
    func run(
        _ file: StreamsFile, replacing old: StreamsFile? = nil, isConfirmed: (StreamsPlan) throws -> Bool
    ) throws {
        let (plan, desired) = try fleet.application.compare(fleet.desired(file))
        if !output.json { output.show(StreamsPlanView(plan)) }
        guard try isConfirmed(plan) else {
            return output.json
                ? output.show(StreamsOutcomes(changes: [], kept: plan.kept)) : print("nothing was changed")
        }
        if let old, try file.replace(old), !output.json { print("\(file.path) is written") }
        let declared = Set(file.streams.map(\.name))
        func report(_ outcome: StreamOutcome) {
            if !output.json { print(StreamsOutcomes.line(outcome)) }
        }
        var outcomes = try fleet.application.apply(plan, desired: desired, declared: declared, report: report)
        let idle = Self.ended(old, file).filter { end in !outcomes.contains { $0.stream == end.stream } }
        idle.forEach(report)
        outcomes += idle
        if output.json { output.show(StreamsOutcomes(changes: outcomes, kept: plan.kept)) }
        let failed = outcomes.filter { [.failed, .restored].contains($0.result) }
        guard failed.isEmpty else {
            throw Failure(
                .badSettings,
                "\(failed.map { "stream '\($0.stream)'" }.joined(separator: ", ")) did not start; the others are as in"
                    + " \(file.path)")
        }
    }

    /// Streams that the new file ends, and whose journals stay, whether or not they ran.
    private static func ended(_ old: StreamsFile?, _ file: StreamsFile) -> [StreamOutcome] {
        let active = Set(file.active.map(\.name))
        let kept = Set(file.streams.map(\.name))
        return (old?.streams ?? []).filter { $0.isActive ? !active.contains($0.name) : !kept.contains($0.name) }.map {
            let hasJournal = (try? FilePath.status($0.journal)) != nil
            return StreamOutcome(stream: $0.name, result: .stopped, journal: hasJournal ? $0.journal : nil)
        }
    }
}

/// What `streams apply` would do.
struct StreamsPlanView: Report {
    private let plan: StreamsPlan

    init(_ plan: StreamsPlan) { self.plan = plan }

    func text(on terminal: Terminal?) -> String {
        let width = plan.changes.map(\.stream.count).max() ?? 0
        let lines = plan.changes.map { change -> String in
            let (sign, colour) =
                switch change.action {
                case .start: ("+", "32")
                case .restart: ("~", "33")
                case .stop: ("-", "31")
                }
            var reasons = change.reasons
            if change.action == .stop, let journal = change.journal {
                reasons.append("its journal stays in \(journal)")
            }
            let line = "\(sign) \(change.action.rawValue.padded(7))  \(change.stream.padded(width))  "
            let text = (line + reasons.joined(separator: "; ").plain).cut(to: terminal?.columns)
            return terminal?.hasColours == true ? "\u{1b}[\(colour)m\(text)\u{1b}[0m" : text
        }
        let counts = [StreamsPlan.Action.start, .restart, .stop].map { action in
            "\(plan.changes.count { $0.action == action }) to \(action.rawValue)"
        }
        let summary = "\(counts.joined(separator: ", ")), \(plan.kept.count) unchanged"
        return (lines + [plan.isEmpty ? "nothing to do: \(summary)" : summary]).joined(separator: "\n")
    }

    private enum Key: CodingKey {
        case pending, changes, kept
    }

    private struct Change: Encodable {
        let stream: String
        let action: StreamsPlan.Action
        let reasons: [String]
        let journal: String?
    }

    /// Whether anything would change, the changes, and the names of what stays.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(!plan.isEmpty, forKey: .pending)
        try container.encode(
            plan.changes.map {
                Change(stream: $0.stream, action: $0.action, reasons: $0.reasons, journal: $0.journal)
            }, forKey: .changes)
        try container.encode(plan.kept, forKey: .kept)
    }
}

/// What `streams apply` did.
struct StreamsOutcomes: Report {
    let changes: [StreamOutcome]
    let kept: [String]

    func text(on terminal: Terminal?) -> String { changes.map(Self.line).joined(separator: "\n") }

    /// One outcome for people.
    ///
    /// - Parameter outcome: of one stream.
    /// - Returns: the line.
    static func line(_ outcome: StreamOutcome) -> String {
        let text =
            switch outcome.result {
            case .up: "is up"
            case .starting: "is starting; its journal is not open yet (streams status)"
            case .stopped:
                "is stopped" + (outcome.journal.map { "; its journal stays in \($0)" } ?? "")
                    + (outcome.reason.map { ", and does not have this: \($0)" } ?? "")
            case .restored: "did not start, its earlier settings are restored: \(outcome.reason ?? "")"
            case .failed: "did not start: \(outcome.reason ?? "")"
            case .written: "has its settings file; no supervisor starts it"
            }
        return "stream '\(outcome.stream)' \(text)".plain
    }
}
