import Core
import FoundationEssentials
import KafkaClient
import TweetFormat

/// Messages that are settled in one transaction, decoded as they come.
///
/// Rows are encoded once; those of any run of lines can be sent, and sent again, from the same bytes.
struct Batch {
    /// One message, with its place and its bytes.
    struct Message {
        let partition: TopicPartition
        let offset: Int64
        let headers: RecordHeaders?
        /// In `raw`; nil for a tombstone.
        let value: Range<Int>?
        /// In `raw`; nil for a message without a key.
        let key: Range<Int>?
    }

    /// A message that is a tweet; its rows carry the message's number.
    struct Line {
        let message: Int
        let id: Int64
    }

    /// A message that is no row and will not become one.
    struct Reject {
        let message: Int
        let reason: String
        var sqlstate: String?
        var detail: String?
        /// What to keep in place of the message's value.
        var head: [UInt8]?
    }

    /// What happened to a stream: an event of the producer, or a message of X.
    struct Event {
        let message: Int
        let content: Content

        enum Content {
            case pipeline(PipelineEvent)
            case control(ControlMessage)
        }
    }

    private(set) var raw: [UInt8] = []
    private(set) var messages: [Message] = []
    private(set) var lines: [Line] = []
    /// What the lines became, in all tables.
    private(set) var rows = RelationRows()
    private(set) var rejects: [Reject] = []
    private(set) var events: [Event] = []
    /// Tweets that a tombstone deletes.
    private(set) var deletions: [(message: Int, id: Int64)] = []
    /// For each partition, the offset after its last message.
    private(set) var nextOffsets: [TopicPartition: Int64] = [:]
    /// Messages that were settled under another offset.
    private(set) var repeated = 0
    /// Offsets that a compacted topic does not have any more.
    private(set) var jumps: [(partition: TopicPartition, offsets: Range<Int64>)] = []
    /// The cluster that the messages come from; nil while it is not known.
    var cluster: String?
    private var marks: [TopicPartition: LogMark] = [:]
    /// The mark of the last message: messages come in long runs.
    private var lastMark: (partition: TopicPartition, mark: LogMark)?
    private var dropped: Set<Int> = []
    /// Tweets that are settled without rows.
    private(set) var discarded: Set<Int> = []

    var isEmpty: Bool { nextOffsets.isEmpty }

    /// The last message of each partition, as far as it is settled with these offsets.
    func identities(_ offsets: [TopicPartition: Int64]) -> [TopicPartition: LogIdentity] {
        offsets.reduce(into: [:]) { result, settled in
            let mark = lastMark?.partition == settled.key ? lastMark?.mark : marks[settled.key]
            result[settled.key] = LogIdentity(
                mark: mark.flatMap { $0.offset < settled.value ? $0 : nil }, cluster: cluster)
        }
    }

    private mutating func remember(_ mark: LogMark, of partition: TopicPartition) {
        if let lastMark, lastMark.partition != partition { marks[lastMark.partition] = lastMark.mark }
        lastMark = (partition, mark)
    }

    /// Settles a partition up to its end, where there are no messages between.
    mutating func reach(_ partition: TopicPartition, end: Int64) {
        nextOffsets[partition] = max(end, nextOffsets[partition] ?? 0)
    }

    /// Takes note of offsets that a compacted topic does not have any more.
    mutating func addJump(_ partition: TopicPartition, _ offsets: Range<Int64>) {
        jumps.append((partition, offsets))
    }

    private mutating func skip(_ partition: TopicPartition, _ offset: Int64) {
        nextOffsets[partition] = offset + 1
        repeated += 1
    }

    func isFull(_ limits: BatchLimits) -> Bool {
        messages.count >= limits.rows || raw.count >= limits.bytes || repeated >= limits.repeated
    }

    /// Takes a message in: as rows, event, deletion or reject; or, if its line is settled already, only its offset.
    mutating func add(
        _ message: borrowing KafkaMessage, decoder: inout TweetDecoder, payload: PayloadMode,
        settled: inout SettledLines
    ) {
        remember(LogMark(message), of: message.topicPartition)
        let headers = Self.plausible(message.recordHeaders())
        if let headers, settled.contains(headers) { return skip(message.topicPartition, message.offset) }
        let key = unsafe message.withKey { unsafe keep($0) }
        let value = unsafe message.withValue { unsafe keep($0) }
        let record = RecordInfo(headers: headers, topicPartition: message.topicPartition, offset: message.offset)
        add(record, key: key, value: value, decoder: &decoder, payload: payload)
    }

    /// Takes a message in whose key and value are in `raw` already.
    private mutating func add(
        _ record: RecordInfo, key: Range<Int>?, value: Range<Int>?, decoder: inout TweetDecoder, payload: PayloadMode
    ) {
        let index = messages.count
        messages.append(
            Message(
                partition: record.topicPartition, offset: record.offset, headers: record.headers, value: value, key: key
            ))
        nextOffsets[record.topicPartition] = record.offset + 1
        guard let value else { return addTombstone(index) }
        rows.beginLine(index)
        let line = unsafe raw.withUnsafeBytes { bytes in
            unsafe decoder.decode(
                UnsafeRawBufferPointer(rebasing: bytes[value]), record: record, payload: payload, into: &rows)
        }
        switch line {
        case .tweet(let id, isAltered: _): lines.append(Line(message: index, id: id))
        case .control(let control): events.append(Event(message: index, content: .control(control)))
        case .event(let event): addEvent(event, index)
        case .reject(let reject):
            rejects.append(Reject(message: index, reason: reject.reason, detail: reject.detail))
        }
    }

    /// Takes a message in from bytes of our own.
    mutating func add(
        _ record: RecordInfo, key: [UInt8]?, value: [UInt8]?, decoder: inout TweetDecoder, payload: PayloadMode
    ) {
        let keptKey = key.map { unsafe $0.withUnsafeBytes { unsafe keep($0) } } ?? nil
        let keptValue = value.map { unsafe $0.withUnsafeBytes { unsafe keep($0) } } ?? nil
        add(record, key: keptKey, value: keptValue, decoder: &decoder, payload: payload)
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer?) -> Range<Int>? {
        guard let bytes = unsafe bytes else { return nil }
        let start = raw.count
        unsafe raw.append(contentsOf: bytes)
        return start..<raw.count
    }

    /// Headers that PostgreSQL could not hold are not ours.
    static func plausible(_ headers: RecordHeaders?) -> RecordHeaders? {
        guard let headers, headers.seq < .max, headers.receivedAt.isStorable,
            !headers.stream.utf8.contains(0), !headers.journal.utf8.contains(0)
        else { return nil }
        return headers
    }

    private mutating func addTombstone(_ index: Int) {
        let digits = messages[index].key.map { raw[$0] } ?? []
        if (1...19).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }),
            let id = Int64(String(decoding: digits, as: UTF8.self))
        {
            deletions.append((index, id))
        } else {
            rejects.append(
                Reject(
                    message: index, reason: "tombstone_without_id", detail: "no value, and the key is not a tweet id"))
        }
    }

    /// A line that was too long to keep, or that Kafka refused, comes as an event in its place: it is settled as a reject.
    private mutating func addEvent(_ event: PipelineEvent, _ index: Int) {
        guard event.type == .rejected else {
            return events.append(Event(message: index, content: .pipeline(event)))
        }
        rejects.append(
            Reject(
                message: index, reason: event.cause == "line_too_long" ? "line_too_long" : "refused_by_kafka",
                detail: [event.cause, event.detail, event.bytes.map { "\($0) bytes" }]
                    .compactMap { $0 }.joined(separator: ", "),
                head: event.head.flatMap { Data(base64Encoded: $0) }.map { Array($0) }))
    }

    /// Takes the messages of these partitions out again: another loader settles them.
    mutating func drop(_ partitions: some Sequence<TopicPartition>) {
        let gone = Set(partitions).intersection(nextOffsets.keys)
        guard !gone.isEmpty else { return }
        for partition in gone { nextOffsets[partition] = nil }
        jumps.removeAll { gone.contains($0.partition) }
        drop { gone.contains($0.partition) }
    }

    /// Takes the messages out that are settled already: those below a partition's offset.
    mutating func drop(below settled: [TopicPartition: Int64]) {
        for (partition, offset) in settled {
            if let next = nextOffsets[partition], next <= offset { nextOffsets[partition] = nil }
        }
        jumps.removeAll { jump in settled[jump.partition].map { jump.offsets.upperBound <= $0 } ?? false }
        // One look into the dictionary for each run of messages of one partition.
        var run: (partition: TopicPartition, settled: Int64?)?
        let old = messages.contains { message in
            if run?.partition != message.partition { run = (message.partition, settled[message.partition]) }
            return run?.settled.map { message.offset < $0 } ?? false
        }
        guard old else { return }
        drop { message in settled[message.partition].map { message.offset < $0 } ?? false }
    }

    /// The first messages as a batch of their own.
    func first(_ count: Int) -> Batch {
        guard count < self.count else { return self }
        let kept = messages.indices.lazy.filter { !dropped.contains($0) }.prefix(count)
        guard let last = kept.last else { return self }
        var part = self
        part.nextOffsets = [:]
        for index in kept { part.nextOffsets[messages[index].partition] = messages[index].offset + 1 }
        let ends = part.nextOffsets
        part.jumps.removeAll { $0.offsets.upperBound > ends[$0.partition] ?? 0 }
        part.drop(messages: messages.indices[(last + 1)...])
        return part
    }

    private mutating func drop(where isGone: (Message) -> Bool) {
        drop(messages: messages.indices.filter { isGone(messages[$0]) })
    }

    /// Takes these messages out, and leaves the offsets as they are.
    mutating func drop(messages indices: some Sequence<Int>) {
        dropped.formUnion(indices)
        lines.removeAll { dropped.contains($0.message) }
        let gone = dropped
        rows.removeLines { gone.contains($0) }
        rejects.removeAll { dropped.contains($0.message) }
        events.removeAll { dropped.contains($0.message) }
        deletions.removeAll { dropped.contains($0.message) }
        discarded.subtract(dropped)
    }

    /// Takes the rows of these messages out; the messages are settled.
    mutating func discard(messages indices: Set<Int>) {
        discarded.formUnion(indices)
        lines.removeAll { indices.contains($0.message) }
        rows.removeLines { indices.contains($0) }
    }

    /// How many messages are still in it.
    var count: Int { messages.count - dropped.count }

    /// The sequence numbers that this batch settles, for each stream and journal.
    var settledNumbers: [JournalName: RangeSet<Int64>] {
        var numbers: [JournalName: [Int64]] = [:]
        // Lines of one journal come together: one look into the dictionary for each run of them.
        var run: (name: JournalName, seqs: [Int64])?
        for (index, message) in messages.enumerated() where dropped.isEmpty || !dropped.contains(index) {
            guard let headers = message.headers else { continue }
            if run?.name.journal != headers.journal || run?.name.stream != headers.stream {
                if let run { numbers[run.name, default: []] += run.seqs }
                run = (JournalName(headers), [])
            }
            run?.seqs.append(headers.seq)
        }
        if let run { numbers[run.name, default: []] += run.seqs }
        return numbers.mapValues { RangeSet(numbers: $0) }
    }

    /// Calls `body` with the partition and the time of receipt of each message that has one.
    func eachReceipt(_ body: (TopicPartition, Timestamp) -> Void) {
        for (index, message) in messages.enumerated() where dropped.isEmpty || !dropped.contains(index) {
            if let headers = message.headers { body(message.partition, headers.receivedAt) }
        }
    }

    /// Empties the batch; its memory stays.
    mutating func removeAll() {
        raw.removeAll(keepingCapacity: true)
        messages.removeAll(keepingCapacity: true)
        lines.removeAll(keepingCapacity: true)
        rows.removeAll()
        rejects.removeAll()
        events.removeAll()
        deletions.removeAll()
        nextOffsets.removeAll()
        jumps.removeAll()
        marks.removeAll()
        (repeated, lastMark) = (0, nil)
        (dropped, discarded) = ([], [])
    }
}
