import Core
import Journal
import XAPI

/// What became of a chunk.
package enum ChunkDelivery: Equatable, Sendable {
    /// All of it is durable.
    case durable
    /// A limit of posts forbids more; nothing of it was appended.
    case limited(String)
    /// The service ends, or the disk refuses: none of it may be there.
    case failed
}

/// The journal as threads beside the reader use it: posts within the limits, and what was appended is durable.
package struct LimitedJournal: Sendable {
    private let journal: Journal
    private let posts: PostCounter
    private let limits: PostLimits
    private let waitsForReader: Bool

    /// - Parameters:
    ///   - journal: where to.
    ///   - posts: counts the lines of chunks, which X bills like those of the stream.
    ///   - limits: how many there may be.
    ///   - waitsForReader: whether a thread reads the stream, which recovers the journal after a failure.
    package init(_ journal: Journal, posts: PostCounter, limits: PostLimits, waitsForReader: Bool = true) {
        (self.journal, self.posts, self.limits) = (journal, posts, limits)
        self.waitsForReader = waitsForReader
    }

    /// Appends a chunk, and waits until it is durable.
    ///
    /// While the disk refuses, it waits until the reader has recovered the journal, for as long as that takes, and gives signs
    /// of life.
    ///
    /// - Parameter chunk: what to append.
    /// - Returns: what became of it.
    package func deliver(_ chunk: JournalChunk) -> ChunkDelivery {
        while true {
            let now = Timestamp.now()
            if !chunk.lines.isEmpty, let closing = limits.closing(posts, at: now) {
                return .limited(closing.description)
            }
            if let position = try? journal.append(chunk) {
                if !chunk.lines.isEmpty { posts.add(chunk.lines.count, at: now) }
                return journal.isDurable(position) ? .durable : .failed
            }
            guard waitsForReader, journal.isPaused, journal.waitUntilResumed() else { return .failed }
        }
    }
}
