/// What exists of a stream on this host.
struct ActualStream: Sendable, Equatable {
    /// The text of its settings file.
    var settings: String?
    /// The text of the supervisor's file.
    var definition: String?
    /// The settings before a change that is not confirmed; empty when there were none.
    var pending: String?
    /// What the supervisor reports; nil when it does not know the stream.
    var process: StreamProcess?
    /// What a supervisor still has that had the streams before; nil for nothing.
    var former: FormerProcess?
}

/// A stream as the supervisor sees it.
struct StreamProcess: Sendable, Equatable {
    enum State: String, Sendable {
        case running, starting, stopped, failed
    }

    var state: State
    /// The supervisor's own word, such as `FATAL` or `active (running)`.
    var word: String
    var pid: Int32?
    /// Why it does not run, as far as the supervisor knows.
    var reason: String?
    /// Whether the supervisor would start it otherwise than its files say: a changed definition is not loaded, or the stream
    /// would not start with the host.
    var isStale = false
}

/// What a stream is to be.
struct DesiredStream: Sendable, Equatable {
    let settings: StreamSettingsFile
    /// The text of the supervisor's file; nil when it needs none.
    let definition: String?
}

/// What has to be done so that the streams of a host are those of the file. A pure value.
struct StreamsPlan: Sendable, Equatable {
    enum Action: String, Sendable, Encodable {
        /// It does not run and shall.
        case start
        /// It runs with other settings, or it is not known with which.
        case restart
        /// It shall not run, and nothing but its journal shall be left.
        case stop
    }

    struct Change: Sendable, Equatable {
        let stream: String
        let action: Action
        /// One text each.
        let reasons: [String]
        /// Whether the process certainly uses the same token before and after; others are stopped before any is started, so
        /// that two processes never use one token.
        let keepsToken: Bool
        /// The folder of the stream's journal; nil when no file says where it is.
        let journal: String?
    }

    /// In the order of their names, what is stopped first.
    let changes: [Change]
    /// Streams that run as they shall, in the order of their names.
    let kept: [String]
    /// Whether there is nothing to do.
    var isEmpty: Bool { changes.isEmpty }

    /// - Parameters:
    ///   - desired: the active streams.
    ///   - actual: what exists, by the stream's name.
    ///   - isSupervised: whether somebody reports the processes; otherwise files alone count.
    init(_ desired: [DesiredStream], actual: [String: ActualStream], isSupervised: Bool) {
        let wanted = Dictionary(desired.map { ($0.settings.stream, $0) }) { first, _ in first }
        var (changes, kept): ([Change], [String]) = ([], [])
        for name in Set(wanted.keys).union(actual.keys).sorted() {
            let found = actual[name] ?? ActualStream()
            guard let stream = wanted[name] else {
                if found != ActualStream() { changes.append(Self.stop(name, found)) }
                continue
            }
            if let change = Self.change(stream, found, isSupervised: isSupervised) {
                changes.append(change)
            } else {
                kept.append(name)
            }
        }
        self.changes = changes.filter { $0.action == .stop } + changes.filter { $0.action != .stop }
        self.kept = kept
    }

    private static func stop(_ name: String, _ found: ActualStream) -> Change {
        let old = found.settings.flatMap { StreamSettingsFile(text: $0) }
        return Change(stream: name, action: .stop, reasons: [], keepsToken: false, journal: old?.journal)
    }

    private static func change(_ stream: DesiredStream, _ found: ActualStream, isSupervised: Bool) -> Change? {
        let old = found.settings.flatMap { StreamSettingsFile(text: $0) }
        let isUp = [found.process, found.former?.process].contains { [.running, .starting].contains($0?.state) }
        var reasons = fileReasons(stream, found, old)
        if let former = found.former {
            reasons.insert("\(isSupervised ? "moves from" : "leaves") \(former.supervisor.rawValue)", at: 0)
        } else if isSupervised {
            reasons += processReasons(found.process)
        }
        guard !reasons.isEmpty else { return nil }
        let isCertain = old?.isIntact == true && found.pending == nil && found.process?.isStale != true
        return Change(
            stream: stream.settings.stream, action: isUp ? .restart : .start, reasons: reasons,
            keepsToken: !isUp || isCertain && old?.token == stream.settings.token, journal: stream.settings.journal)
    }

    private static func fileReasons(
        _ stream: DesiredStream, _ found: ActualStream, _ old: StreamSettingsFile?
    ) -> [String] {
        guard let old else {
            return [found.process == nil && found.former == nil ? "new" : "its settings file is missing"]
        }
        var reasons: [String] = []
        if !old.isIntact { reasons.append("its settings file was changed by hand") }
        if old.hash != stream.settings.hash { reasons += stream.settings.changes(from: old) }
        guard found.former == nil else { return reasons }
        if reasons.isEmpty, found.definition != stream.definition { reasons.append("the supervisor's file differs") }
        if reasons.isEmpty, found.pending != nil { reasons.append("its last change was not completed") }
        return reasons
    }

    private static func processReasons(_ process: StreamProcess?) -> [String] {
        guard let process else { return ["the supervisor does not know it"] }
        switch process.state {
        case .running, .starting: return process.isStale ? ["the supervisor has not loaded its settings"] : []
        case .stopped, .failed:
            return ["does not run: \(process.word)" + (process.reason.map { ", \($0)" } ?? "")]
        }
    }
}
