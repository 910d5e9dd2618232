import Synchronization
import TestSupport

@testable import Core
@testable import Journal
@testable import TweetFormat
@testable import TweetProducer
@testable import XAPI

/// A `FilteredStream` that runs on a thread of its own into a journal of its own.
final class StreamRun {
    /// One journalled line, copied.
    struct Line {
        let text: String
        let connection: Int64

        /// The pipeline event that the line is, or nil.
        var event: PipelineEvent? { PipelineEvent(line: Array(text.utf8)) }
    }

    let stop = Stop()
    let log = LogRecorder()

    private struct Outcome {
        var journal: Journal?
        var error: (any Error)?
        var isDone = false
    }

    private let folder: TemporaryFolder
    private let outcome = SharedOutcome()
    private var thread: JoinableThread?

    private final class SharedOutcome: Sendable {
        let state = Mutex(Outcome())
        let changed = Signal()

        func update(_ change: (inout sending Outcome) -> Void) {
            state.withLock { change(&$0) }
            changed.notify()
        }
    }

    init(_ settings: StreamSettings) throws {
        folder = try TemporaryFolder()
        let (path, stop, logger, outcome) = (folder.path, stop, log.logger, outcome)
        thread = JoinableThread(name: "reader") {
            do {
                let journal = try Journal.open(folder: path, stream: settings.stream)
                outcome.update { $0.journal = journal }
                defer { journal.close() }
                let stream = try FilteredStream(settings: settings, stop: stop, logger: logger)
                try stream.run(into: journal)
            } catch { outcome.update { $0.error = error } }
            outcome.update { $0.isDone = true }
        }
    }

    deinit {
        stop.raiseImmediately()
        if let thread = thread.take() { thread.join() }
    }

    /// Waits until the run has ended by itself, and returns the error it threw.
    func waitForError(seconds: Int = 90) -> (any Error)? {
        outcome.changed.wait(until: .now + .seconds(seconds)) { outcome.state.withLock { $0.isDone } }
        return outcome.state.withLock { $0.error }
    }

    /// Waits until `count` lines, events included, are durable; false when they are not within `seconds`.
    func waitForLines(_ count: Int64, seconds: Int = 90) -> Bool {
        outcome.changed.wait(until: .now + .seconds(seconds)) { outcome.state.withLock { $0.journal != nil } }
        guard let tail = outcome.state.withLock({ $0.journal?.source.tail }) else { return false }
        tail.wait(for: count, atMost: .seconds(seconds))
        return tail.end.seq > count
    }

    /// The journal, as other threads use it; call it when a line is durable.
    func beside() throws -> LimitedJournal? {
        guard let journal = outcome.state.withLock({ $0.journal }) else { return nil }
        return LimitedJournal(journal, posts: try PostCounter(folder: journal.source.folder), limits: PostLimits())
    }

    /// Ends the run and returns how long that took.
    func finish() -> Duration {
        let begin = ContinuousClock.now
        stop.raise()
        if let thread = thread.take() { thread.join() }
        return begin.duration(to: .now)
    }

    /// What is durable in the journal; all of it after `finish`.
    func journal() throws -> [Line] {
        guard let source = outcome.state.withLock({ $0.journal?.source }) else { return [] }
        var reader = try JournalReader(source, from: 1)
        var lines: [Line] = []
        while try reader.read(
            limit: 1000,
            { line in
                lines.append(
                    Line(text: unsafe String(decoding: line.bytes, as: UTF8.self), connection: line.connection))
            }) > 0
        {}
        return lines
    }

    /// The journalled lines that are not pipeline events.
    func lines() throws -> [String] { try journal().filter { $0.event == nil }.map(\.text) }

    /// The journalled pipeline events.
    func events() throws -> [PipelineEvent] { try journal().compactMap(\.event) }
}

extension StreamSettings {
    /// Settings for a test: a short ladder, and time-outs that no busy machine reaches.
    static func test(
        _ url: String, token: BearerToken = .value(Secret("TEST-TOKEN")), caFile: String? = nil,
        connectTimeout: Duration = .seconds(60), stallTimeout: Duration = .seconds(60), lineLimit: Int = 1 << 20,
        connectBudget: Int = 1000, backoffScale: Double = 0.01
    ) -> StreamSettings {
        StreamSettings(
            x: XSettings(url: url, token: token, caFile: caFile, connectTimeout: connectTimeout),
            stallTimeout: stallTimeout, lineLimit: lineLimit, connectBudget: connectBudget,
            backoffScale: backoffScale)
    }
}
