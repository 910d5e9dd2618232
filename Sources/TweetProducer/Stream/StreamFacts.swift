import Core
import FoundationEssentials
import Glibc
import Journal

/// What the reader of a stream is doing, as it says in `stream.json` of the stream's folder, for programs that look at it.
struct StreamFacts: Codable, Equatable, Sendable {
    enum State: String, Codable, Sendable {
        /// It has begun and has no connection yet.
        case connecting
        case connected
        /// It waits before the next attempt; `cause` and `detail` say why.
        case waiting
        /// Another producer reads the stream, and this one takes over when that ends.
        case passive
    }

    /// The part of a producer that shares its stream with others.
    enum Role: String, Codable, Sendable {
        case active, passive
    }

    /// The producer's process.
    var process: Int32
    var state: State
    /// Nil for a producer that is alone, and until it is known.
    var role: Role?
    /// Since when, in milliseconds since 1970; so are the other times.
    var since: Int64
    /// When this was written: at least every few seconds while the reader works.
    var at: Int64
    var lastByteAt: Int64?
    var lastPostAt: Int64?
    /// In the last 60 seconds.
    var postsLastMinute: Int64 = 0
    /// Why it waits, as the log and the gap ledger say it.
    var cause: String?
    var detail: String?
    var nextAttemptAt: Int64?

    private enum CodingKeys: String, CodingKey {
        case process, state, role, since, at, cause, detail
        case lastByteAt = "last_byte_at"
        case lastPostAt = "last_post_at"
        case postsLastMinute = "posts_last_minute"
        case nextAttemptAt = "next_attempt_at"
    }

    static let fileName = "stream.json"
    /// The file always has this size, so that one write replaces all of it.
    private static let size = 4096

    /// Reads the facts of a stream; nil when there are none, or none that can be read.
    ///
    /// - Parameter folder: the stream's.
    /// - Returns: the facts.
    static func read(_ folder: String) -> StreamFacts? {
        guard let bytes = try? readWholeFile(folder + "/" + fileName) else { return nil }
        return try? JSONDecoder().decode(StreamFacts.self, from: Data(bytes))
    }

    /// Writes the facts in place and without fsync: they are about a process, and do not outlive the machine.
    ///
    /// - Parameter folder: the stream's.
    func write(_ folder: String) {
        var facts = self
        facts.detail = detail.map { String($0.prefix(400)) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(facts), data.count < Self.size else { return }
        var bytes = Array(data)
        bytes += repeatElement(UInt8(ascii: " "), count: Self.size - 1 - bytes.count) + [UInt8(ascii: "\n")]
        // Only what is shown depends on it.
        guard let file = try? JournalFile(updating: folder + "/" + Self.fileName) else { return }
        try? unsafe bytes.withBytes { (buffer) throws(FileError) in try unsafe file.write(buffer, at: 0) }
    }
}

/// Keeps the facts of a stream up to date; owned by the reader.
final class StreamFactsKeeper {
    private var facts: StreamFacts
    private let folder: String
    private let later: (@escaping @Sendable () -> Void) -> Void
    private let interruption: Late<StreamInterruption>
    private var written = ContinuousClock.now
    /// What the connection had brought at the last look.
    private var seen: (bytes: Int64, posts: Int64) = (0, 0)
    /// Posts by second since 1970, for the last minute.
    private var posts: [Int64: Int64] = [:]

    private static let interval = Duration.seconds(1)

    /// - Parameters:
    ///   - folder: the stream's.
    ///   - interruption: gets why the stream is not connected.
    ///   - later: does what waits for the disk, on another thread.
    init(
        folder: String, interruption: Late<StreamInterruption> = Late(),
        later: @escaping (@escaping @Sendable () -> Void) -> Void
    ) {
        let now = Timestamp.now().milliseconds
        facts = StreamFacts(process: getpid(), state: .connecting, since: now, at: now)
        (self.folder, self.later, self.interruption) = (folder, later, interruption)
        interruption.value = StreamInterruption(since: Timestamp(milliseconds: now))
        save(now)
    }

    /// Notes the part that this producer plays from now on.
    ///
    /// - Parameter role: the part.
    func play(_ role: StreamFacts.Role) {
        facts.role = role
        enter(role == .passive ? .passive : .connecting)
    }

    /// Notes what begins now.
    ///
    /// - Parameters:
    ///   - state: of the reader.
    ///   - cause: why, when it waits.
    ///   - detail: the same for people.
    ///   - delay: until the next attempt.
    func enter(_ state: StreamFacts.State, cause: String? = nil, detail: String? = nil, delay: Duration? = nil) {
        let now = Timestamp.now()
        if state != facts.state { facts.since = now.milliseconds }
        (facts.state, facts.cause, facts.detail) = (state, cause, detail)
        facts.nextAttemptAt = delay.map { now.advanced(by: $0).milliseconds }
        seen = (0, 0)
        save(now.milliseconds)
        if state == .connected || state == .passive {
            interruption.value = nil
        } else {
            let since = interruption.value?.since ?? now
            interruption.value = StreamInterruption(since: since, cause: cause, detail: detail)
        }
    }

    /// Looks at what the open connection has brought, at most once a second.
    ///
    /// - Parameters:
    ///   - bytes: since its beginning.
    ///   - total: posts since its beginning.
    func look(bytes: Int64 = 0, posts total: Int64 = 0) {
        guard written.duration(to: .now) >= Self.interval else { return }
        let now = Timestamp.now().milliseconds
        if bytes > seen.bytes { facts.lastByteAt = now }
        if total > seen.posts {
            facts.lastPostAt = now
            posts[now / 1000, default: 0] += total - seen.posts
        }
        seen = (bytes, total)
        save(now)
    }

    private func save(_ now: Int64) {
        posts = posts.filter { $0.key > now / 1000 - 60 }
        facts.postsLastMinute = posts.values.reduce(0, +)
        facts.at = now
        written = .now
        later { [facts, folder] in facts.write(folder) }
    }
}
