import Core
import Glibc

/// What became of one change.
struct StreamOutcome: Sendable, Equatable, Encodable {
    enum Result: String, Sendable, Encodable {
        case up
        /// It runs, and has not opened its journal within the time.
        case starting
        /// It does not run, as it shall; the journal stays.
        case stopped
        /// It did not start; its earlier settings are in force again.
        case restored
        /// It did not start, and there are no earlier settings that do.
        case failed
        /// Its settings file is written; nobody of ours starts it.
        case written
    }

    let stream: String
    let result: Result
    /// Why it did not start, or why its journal does not have its end.
    var reason: String?
    /// The folder of its journal.
    var journal: String?
}

/// Carries out a plan, stream by stream, so that the next one completes whatever a kill has left.
///
/// For each stream: note that a change is open, write its files aside and rename them, let the supervisor read them, stop the
/// process, start it, wait until it is up, note that the change is done. Streams that are to end are stopped first, and their
/// files removed afterwards: a file never goes before its process.
struct StreamsApplication {
    let files: StreamFiles
    let supervisor: any StreamSupervisor
    /// Whom the journals belong to; nil for this process's user.
    var owner: (user: uid_t, group: gid_t)?
    /// Called between the steps; what it throws ends the work there, as a kill would.
    var step: () throws -> Void = { FailPoint.streams.pass() }

    /// What has to be done now.
    ///
    /// - Parameter streams: settings of the active streams.
    /// - Returns: the plan and what it is to reach, by the stream's name.
    /// - Throws: `StreamsError`.
    func compare(_ streams: [StreamSettingsFile]) throws -> (plan: StreamsPlan, desired: [String: DesiredStream]) {
        let names = streams.map(\.stream)
        try files.requireSafeFolders()
        let actual = try supervised(files.look(at: names), names)
        let desired = streams.map { DesiredStream(settings: $0, definition: supervisor.definition(of: $0)) }
        let plan = StreamsPlan(desired, actual: actual, isSupervised: supervisor.isSupervising)
        return (plan, Dictionary(desired.map { ($0.settings.stream, $0) }) { first, _ in first })
    }

    /// Adds what supervisors report to what is on the disk.
    ///
    /// - Parameters:
    ///   - found: what is on the disk, by the stream's name.
    ///   - names: the active streams.
    /// - Returns: what exists of each stream on this host.
    /// - Throws: `StreamsError`.
    func supervised(
        _ found: [String: ActualStream], _ names: [String]
    ) throws(StreamsError) -> [String: ActualStream] {
        var actual = found
        for (name, process) in try supervisor.look(for: names) {
            actual[name, default: ActualStream()].process = process
        }
        for (name, former) in try supervisor.left(of: Set(names).union(actual.keys).sorted()) {
            actual[name, default: ActualStream()].former = former
        }
        return actual
    }

    /// Does what the plan says; the lock must be held.
    ///
    /// - Parameters:
    ///   - plan: from `compare`.
    ///   - desired: from `compare`.
    ///   - declared: names of the streams of the file, active or not; others count as removed.
    ///   - report: hears each outcome as soon as it is known.
    /// - Returns: every outcome.
    /// - Throws: `StreamsError` when the supervisor or the disk fails; the next apply completes what is left.
    func apply(
        _ plan: StreamsPlan, desired: [String: DesiredStream], declared: Set<String> = [],
        report: (StreamOutcome) -> Void = { _ in }
    ) throws -> [StreamOutcome] {
        var outcomes: [StreamOutcome] = []
        func note(_ outcome: StreamOutcome) {
            outcomes.append(outcome)
            report(outcome)
        }
        try files.sweep()
        try supervisor.begin()
        for change in plan.changes where change.action == .stop {
            note(try takeDown(change, as: declared.contains(change.stream) ? .stopped : .removed))
        }
        for change in plan.changes where !change.keepsToken && change.action != .stop {
            try step()
            try supervisor.stop(change.stream)
        }
        for change in plan.changes {
            if let stream = desired[change.stream] { note(try bringUp(stream)) }
        }
        try files.writeTargets()
        try supervisor.finish()
        return outcomes
    }

    // MARK: End

    private func takeDown(_ change: StreamsPlan.Change, as reason: StreamEndNote) throws -> StreamOutcome {
        try step()
        try files.note(reason, for: change.stream)
        try step()
        try supervisor.stop(change.stream)
        try step()
        let obstacle = recordEnd(change.stream, as: reason)
        try removeFiles(change.stream)
        return StreamOutcome(stream: change.stream, result: .stopped, reason: obstacle, journal: change.journal)
    }

    /// Journals the end where the process has not; a journal that cannot be written holds nothing up.
    ///
    /// - Returns: why it was not journalled; nil when it was.
    private func recordEnd(_ stream: String, as reason: StreamEndNote) -> String? {
        guard let applied = files.applied(stream) else { return nil }
        do {
            try FilePath.with(rightsOf: owner) { try applied.recordEnd(as: reason) }
            return nil
        } catch { return "\(error)" }
    }

    private func removeFiles(_ stream: String) throws {
        try step()
        try files.definitions?.remove(stream)
        try step()
        try files.settings.remove(stream)
        try step()
        try supervisor.reload()
        try files.finish(stream)
    }

    // MARK: Begin

    private func bringUp(_ stream: DesiredStream) throws -> StreamOutcome {
        let name = stream.settings.stream
        try step()
        try supervisor.prepare(stream.settings)
        let previous = try files.begin(name)
        do { try write(stream) } catch let error as StreamsError where error.disposition == .operator(.settings) {
            // Nothing was stopped: the files go back to what runs, and the change stays open.
            try putBack(previous, name)
            throw error
        }
        try step()
        try supervisor.stop(name)
        try step()
        let start = try supervisor.start(stream.settings)
        try step()
        if case .failed(let reason) = start { return try restore(previous, name, reason) }
        try files.finish(name)
        let result: StreamOutcome.Result = supervisor.isSupervising ? (start == .up ? .up : .starting) : .written
        return StreamOutcome(stream: name, result: result, journal: stream.settings.journal)
    }

    private func write(_ stream: DesiredStream) throws {
        let name = stream.settings.stream
        try step()
        try files.settings.write(stream.settings.text, for: name)
        try step()
        if let definition = stream.definition { try files.definitions?.write(definition, for: name) }
        try step()
        try supervisor.reload()
    }

    private func putBack(_ previous: StreamSettingsFile?, _ name: String) throws {
        if let previous {
            try files.settings.write(previous.text, for: name)
            if let definition = supervisor.definition(of: previous) {
                try files.definitions?.write(definition, for: name)
            }
        } else {
            try files.definitions?.remove(name)
            try files.settings.remove(name)
        }
    }

    /// Returns to the settings before; a stream that had none is gone again, apart from its journal.
    private func restore(_ previous: StreamSettingsFile?, _ name: String, _ reason: String) throws -> StreamOutcome {
        try supervisor.stop(name)
        guard let previous else {
            try removeFiles(name)
            return StreamOutcome(stream: name, result: .failed, reason: reason)
        }
        try write(DesiredStream(settings: previous, definition: supervisor.definition(of: previous)))
        try step()
        let start = try supervisor.start(previous)
        try files.finish(name)
        if case .failed(let again) = start {
            let both = "\(reason); its earlier settings do not start either: \(again)"
            return StreamOutcome(stream: name, result: .failed, reason: both, journal: previous.journal)
        }
        return StreamOutcome(stream: name, result: .restored, reason: reason, journal: previous.journal)
    }
}
