import Core
import Logging
import TweetFormat

/// The watch over a connected stream with too few posts; it logs, and leaves the connection alone.
///
/// What is usual is kept in the file `pace.json` of the stream's folder.
final class PostWatch {
    private var pace: PostPace
    private let shortest: Duration?
    private let file: StateFile<PostPace>
    private let logger: Logger
    private let later: (@escaping @Sendable () -> Void) -> Void
    private var posts: Int64 = 0
    private var since: ContinuousClock.Instant?

    /// Continues from the file; a missing or damaged one starts over.
    ///
    /// - Parameters:
    ///   - folder: the stream's folder.
    ///   - shortest: nothing is judged by less time than this; nil watches nothing.
    ///   - logger: logs when it is too quiet, and when that is over.
    ///   - later: does what waits for the disk, on another thread.
    init(
        folder: String, shortest: Duration?, logger: Logger,
        later: @escaping (@escaping @Sendable () -> Void) -> Void = { $0() }
    ) {
        self.later = later
        self.shortest = shortest
        self.logger = logger
        file = StateFile("pace.json", in: folder)
        pace = file.value ?? PostPace()
    }

    /// Whether far fewer posts arrive than usual.
    var isQuiet: Bool { pace.isQuiet }

    /// A connection begins or has ended: time outside of one is no silence.
    func pause() {
        since = nil
        posts = 0
    }

    /// Looks at what came on the open connection, at most once a second.
    ///
    /// - Parameter total: posts since the connection began.
    /// - Returns: the event to journal, or nil.
    func look(posts total: Int64) -> PipelineEvent? {
        guard let shortest else { return nil }
        let now = ContinuousClock.now
        guard let begin = since else {
            (since, posts) = (now, total)
            return nil
        }
        let passed = begin.duration(to: now)
        guard passed >= min(.seconds(1), shortest / 4) else { return nil }
        let (isJudged, finding) = pace.take(posts: total - posts, over: passed, at: .now(), shortest: shortest)
        (since, posts) = (now, total)
        if isJudged { save() }
        return finding.map { tell($0) }
    }

    private func tell(_ finding: PostPace.Finding) -> PipelineEvent {
        switch finding {
        case .quiet(let posts, let usual, let over):
            let detail = "\(posts) posts in \(over.short), where \(usual) are usual"
            logger.error(
                "the stream is connected but delivers far fewer posts than usual; check the rules and X's status",
                metadata: ["detail": "\(detail)"])
            return event(.quiet, posts, detail)
        case .lively(let posts, let usual, let over):
            let detail = "\(posts) posts in \(over.short), where \(usual) are usual"
            logger.notice("the stream delivers posts at the usual rate again", metadata: ["detail": "\(detail)"])
            return event(.lively, posts, detail)
        }
    }

    private func event(_ kind: PipelineEvent.Kind, _ posts: Int64, _ detail: String) -> PipelineEvent {
        var event = PipelineEvent(kind)
        event.detail = detail
        event.lines = posts
        return event
    }

    /// Best effort: only an alarm depends on it.
    private func save() {
        later { [file, pace] in try? file.write(pace) }
    }
}
