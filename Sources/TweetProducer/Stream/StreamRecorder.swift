import Core
import FoundationEssentials
import Journal
import Logging
import TweetFormat
import XAPI

/// What one run of the stream reads into, whatever connection it has.
struct StreamReading {
    let journal: Journal
    let posts: PostCounter
    let watch: PostWatch
    let gaps: OpenGaps
    let facts: StreamFactsKeeper
    /// Nil for a producer that is alone.
    var lease: Lease?
    var metrics = StreamMetrics()
}

/// Journals what one connection delivers, in order: that it began, every line byte for byte, and how it ended.
///
/// It works inside libcurl's callbacks, so it throws nothing: `failure` reports to the loop that the journal failed.
final class StreamRecorder {
    /// The connection's id: when it was begun, in milliseconds since 1970.
    let connection: Int64

    /// The journal's error, after which nothing more is taken.
    private(set) var failure: FileError?
    /// The first message of X that ends the connection.
    private(set) var control: StreamControl?
    /// When the 200 came; nil before.
    private(set) var begin: ContinuousClock.Instant?
    private(set) var bytes: Int64 = 0
    private(set) var lines: Int64 = 0
    /// Lines that are neither posts nor known messages.
    private(set) var unknownLines: Int64 = 0

    /// Posts that this connection brought.
    private(set) var posts: Int64 = 0
    /// The number of the event journalled last.
    private(set) var lastEventSeq: Int64 = 0
    /// Called when the 200 comes.
    var onBegin: () -> Void = {}

    private let journal: Journal
    private let counter: PostCounter
    private let metrics: StreamMetrics
    private let logger: Logger
    private var framer: LineFramer
    /// When the last line or keep-alive was received.
    private(set) var lastReceivedAt: Timestamp?
    private var caughtUpAt: Timestamp?
    private var lastPost: [UInt8] = []

    init(_ reading: StreamReading, connection: Int64, lineLimit: Int, logger: Logger) {
        journal = reading.journal
        counter = reading.posts
        metrics = reading.metrics
        self.logger = logger
        self.connection = connection
        framer = LineFramer(limit: lineLimit)
    }

    /// Whether a line or a keep-alive has come.
    var hasDelivered: Bool { bytes > 0 }

    /// Notes that X answered with 200.
    func takeBegin() {
        begin = .now
        metrics.attempts[.connected].add()
        metrics.connected.set(true)
        metrics.connectionStart.set(Timestamp.now())
        metrics.connection.set(connection)
        onBegin()
        note(PipelineEvent(.connected, connection: connection), indexedAs: connection) { $0.status = 200 }
        logger.info("connected to the stream", metadata: ["connection": .stringConvertible(connection)])
    }

    /// Takes the next bytes of the stream; false when the journal refuses.
    func take(_ chunk: UnsafeRawBufferPointer) -> Bool {
        guard failure == nil else { return false }
        bytes += Int64(chunk.count)
        let receivedAt = Timestamp.now()
        metrics.bytes.add(chunk.count)
        metrics.lastByte.set(receivedAt)
        var found = unsafe FoundPosts(chunk)
        do throws(FileError) {
            try unsafe framer.feed(chunk) { (line) throws(FileError) in
                try unsafe record(line, at: receivedAt, &found)
            }
        } catch {
            failure = error
        }
        unsafe take(found, receivedAt)
        return failure == nil
    }

    /// Takes the rest of a body that has ended in due form: the last line may lack its line feed.
    func takeRest() {
        guard failure == nil else { return }
        let receivedAt = Timestamp.now()
        var found = unsafe FoundPosts(UnsafeRawBufferPointer(start: nil, count: 0))
        do throws(FileError) {
            try unsafe framer.finish(StreamMessage.isWhole) { (line) throws(FileError) in
                try unsafe record(line, at: receivedAt, &found)
            }
        } catch {
            failure = error
        }
        unsafe take(found, receivedAt)
    }

    /// Counts the posts of a chunk at once, and copies only the last of them.
    private func take(_ found: FoundPosts, _ receivedAt: Timestamp) {
        guard unsafe found.count > 0 else { return }
        unsafe posts += Int64(found.count)
        unsafe counter.add(found.count, at: receivedAt)
        unsafe metrics.posts.add(found.count)
        metrics.lastPost.set(receivedAt)
        if let place = unsafe found.last { lastPost = unsafe Array(found.chunk[place]) }
    }

    /// Notes that everything that X had sent by then was taken: nothing waited in the socket.
    func noteCaughtUp(at moment: Timestamp) {
        caughtUpAt = moment
    }

    /// Notes something that happened while the connection is open.
    func take(_ event: PipelineEvent) {
        note(event, indexedAs: connection) { $0.connection = String(connection) }
    }

    /// Notes the end of a connection that had begun, with where the gap begins; returns what is journalled.
    func takeEnd(cause: String, detail: String?) -> PipelineEvent {
        let tail = framer.dropPartialLine()
        if let head = tail.tooLongHead { noteTooLong(bytes: tail.bytes, head: head) }
        var details = [detail].compactMap { $0 }
        if tail.bytes > 0 { details.append("an unfinished line of \(tail.bytes) bytes was dropped") }
        // In the index this event belongs to no connection: that is how the next start distinguishes an end from a crash.
        var event = PipelineEvent(.disconnected, connection: connection, cause: cause)
        event.detail = details.isEmpty ? nil : details.joined(separator: "; ")
        event.lines = lines
        event.bytes = bytes
        event.lastReceivedAt = lastReceivedAt?.description
        event.newestID = lastPostID()
        event.caughtUpAt = caughtUpAt?.description
        note(event, indexedAs: 0) { _ in }
        return event
    }

    private func record(_ line: FramedLine, at receivedAt: Timestamp, _ found: inout FoundPosts) throws(FileError) {
        switch unsafe line {
        case .keepAlive: lastReceivedAt = receivedAt
        case .tooLong(let bytes, let head, let sha256):
            lastReceivedAt = receivedAt
            lines += 1
            noteTooLong(bytes: bytes, head: head, sha256: sha256)
        case .line(let line):
            lastReceivedAt = receivedAt
            lines += 1
            try unsafe journal.append(line, receivedAt: receivedAt, connection: connection)
            unsafe look(at: line, &found)
        }
    }

    private func look(at line: UnsafeRawBufferPointer, _ found: inout FoundPosts) {
        switch unsafe StreamMessage(line: line) {
        case .post:
            // A line that began in an earlier chunk stands elsewhere, and only for now.
            if unsafe !found.add(line) { lastPost = unsafe Array(line) }
        case .control(let message):
            metrics.controls[message.reaction == .goOn ? .error : .disconnect].add()
            if message.reaction == .goOn {
                logger.warning("X sent a message instead of a post", metadata: ["cause": "\(message.cause)"])
            } else if control == nil {
                control = message
            }
        case .unknown:
            metrics.controls[.other].add()
            unknownLines += 1
        }
    }

    private func noteTooLong(bytes: Int64, head: [UInt8], sha256: String? = nil) {
        logger.error("a line longer than X_LINE_LIMIT was cut", metadata: ["bytes": .stringConvertible(bytes)])
        note(PipelineEvent(.rejected, connection: connection, cause: "line_too_long"), indexedAs: connection) { event in
            event.bytes = bytes
            event.head = Data(head).base64EncodedString()
            event.detail = sha256.map { "sha256 \($0)" }
        }
    }

    private func note(_ event: PipelineEvent, indexedAs connection: Int64, _ fill: (inout PipelineEvent) -> Void) {
        guard failure == nil else { return }
        var event = event
        fill(&event)
        do throws(FileError) { lastEventSeq = try journal.append(event, connection: connection).seq } catch {
            failure = error
        }
    }

    /// The id of the last post: ids grow with time, so this is where a repair of the gap may begin.
    func lastPostID() -> String? {
        var key = TweetKey(findsRules: false)
        return unsafe lastPost.withUnsafeBytes { unsafe key.id(of: $0) }.map { String($0) }
    }
}

/// The posts in the chunk that is just being taken.
@unsafe
private struct FoundPosts {
    let chunk: UnsafeRawBufferPointer
    private(set) var count = 0
    /// Where the last one stands in the chunk; nil when none stands in it.
    private(set) var last: Range<Int>?

    init(_ chunk: UnsafeRawBufferPointer) {
        unsafe self.chunk = chunk
    }

    /// Takes note of a post; false when it does not stand in the chunk.
    mutating func add(_ line: UnsafeRawBufferPointer) -> Bool {
        unsafe count += 1
        guard let begin = unsafe chunk.baseAddress, let start = line.baseAddress else { return false }
        let offset = unsafe start - begin
        guard unsafe chunk.indices.contains(offset) else { return false }
        unsafe last = offset..<(offset + line.count)
        return true
    }
}
