import Core
import KafkaClient
import Logging

/// Where Kafka's partitions begin and end, and what they hold, for commands that only look.
struct KafkaEnds {
    /// What Kafka reports of its partitions.
    struct Answer {
        /// The oldest offset and the last stable offset of each partition.
        var ends: [TopicPartition: (low: Int64, high: Int64)] = [:]
        /// What could not be read, and why.
        var problems: [String] = []
    }

    /// The loaders' group, as Kafka knows it.
    struct ConsumerGroup: Encodable {
        var name: String
        /// By Kafka's name, such as `Stable` or `Empty`; `unknown` when Kafka did not answer.
        var state: String
        /// Nil when unknown.
        var members: Int?
        /// Why it is unknown.
        var problem: String?
    }

    private let inspector: KafkaInspector
    private let servers: String
    private let group: String
    /// When to stop asking, although Kafka has not answered everything; nil when each request has only its own limit.
    var deadline: ContinuousClock.Instant?

    init(_ configuration: KafkaConfiguration, group: String) throws(KafkaClientError) {
        servers = configuration.bootstrapServers
        self.group = group
        inspector = try KafkaInspector(
            configuration, group: group, logger: Logger(label: "tweet-loader") { _ in SwiftLogNoOpLogHandler() })
    }

    /// The time for one question: at most until the deadline.
    private func limit(_ time: Duration) -> Duration {
        guard let deadline else { return time }
        return max(.milliseconds(100), min(time, deadline - .now))
    }

    /// Asks for the ends of all partitions of one topic; empty when Kafka does not have it.
    ///
    /// - Parameter topic: its name.
    /// - Returns: the oldest offset and the last stable offset of each partition.
    /// - Throws: `KafkaError` when Kafka does not answer.
    func ends(of topic: String) throws(KafkaError) -> [TopicPartition: (low: Int64, high: Int64)] {
        var ends: [TopicPartition: (low: Int64, high: Int64)] = [:]
        for number in 0..<(try inspector.topics(timeout: limit(.seconds(10)))[topic] ?? 0) {
            let partition = TopicPartition(topic, Int32(clamping: number))
            ends[partition] = try inspector.ends(of: partition, timeout: limit(.seconds(5)))
        }
        return ends
    }

    /// Asks for the loader's consumer group, for at most 2 s.
    ///
    /// - Returns: its state and members, or why they are unknown.
    func consumerGroup() -> ConsumerGroup {
        do {
            let found = try inspector.group(group, timeout: limit(.seconds(2)))
            return .init(name: group, state: found.state, members: found.members)
        } catch {
            return .init(name: group, state: "unknown", problem: "\(error)")
        }
    }

    /// Asks for all partitions of the topics, and for those that are known from before.
    ///
    /// - Parameters:
    ///   - topics: the topics that are loaded.
    ///   - known: partitions that were loaded; one that does not exist is a problem.
    /// - Returns: the ends that are known, and what could not be asked.
    func read(topics: [String], known: [TopicPartition]) -> Answer {
        var answer = Answer()
        let found: [String: Int]
        do { found = try inspector.topics(timeout: limit(.seconds(10))) } catch {
            answer.problems = ["Kafka at \(servers) cannot be reached: \(error)"]
            return answer
        }
        var partitions = Set(known)
        for topic in Set(topics).union(known.map(\.topic)).sorted() {
            let count = found[topic] ?? 0
            partitions.formUnion((0..<count).map { TopicPartition(topic, Int32(clamping: $0)) })
            if count == 0 {
                answer.problems.append(
                    "topic \(topic) does not exist in Kafka at \(servers), or the user may not describe it")
            }
        }
        for partition in partitions.sorted() {
            guard let count = found[partition.topic], count > 0 else { continue }
            guard Int(partition.partition) < count else {
                answer.problems.append("partition \(partition) does not exist: the topic has \(count) partitions")
                continue
            }
            do { answer.ends[partition] = try inspector.ends(of: partition, timeout: limit(.seconds(5))) } catch {
                answer.problems.append("\(error)")
                // Each further partition would take as long.
                if error.isAway { break }
            }
        }
        return answer
    }

    /// Asks for the ends of these partitions.
    ///
    /// - Parameters:
    ///   - partitions: which.
    ///   - timeout: for each.
    /// - Returns: the oldest offset and the last stable offset of each.
    /// - Throws: `KafkaError` for the first one that does not answer.
    func ends(
        of partitions: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: (low: Int64, high: Int64)] {
        var ends: [TopicPartition: (low: Int64, high: Int64)] = [:]
        for partition in partitions { ends[partition] = try inspector.ends(of: partition, timeout: timeout) }
        return ends
    }

    /// Asks whether Kafka answers.
    ///
    /// - Parameter timeout: for the answer.
    /// - Throws: `KafkaError` when it does not.
    func ask(timeout: Duration) throws(KafkaError) { _ = try inspector.topics(timeout: timeout) }

    /// Fetches nothing until messages are asked for again.
    func rest() { try? inspector.start([:]) }

    /// The first message of a partition at or behind an offset.
    struct First {
        var offset: Int64
        /// When it was received from X, else stored in Kafka.
        var at: Timestamp?
    }

    /// The first message at or behind each offset, or where the partition ends without one; without the partitions that
    /// do not answer in time.
    func first(
        from offsets: [TopicPartition: Int64], timeout: Duration = .seconds(3)
    ) throws(KafkaError) -> [TopicPartition: First] {
        var found: [TopicPartition: First] = [:]
        guard !offsets.isEmpty else { return found }
        try inspector.start(offsets)
        let deadline = ContinuousClock.now + timeout
        while found.count < offsets.count, ContinuousClock.now < deadline {
            guard let event = inspector.poll(timeout: .milliseconds(100)) else { continue }
            switch event {
            case .message(let message):
                let partition = message.topicPartition
                guard found[partition] == nil else { continue }
                let time = message.recordHeaders()?.receivedAt ?? message.timestamp
                found[partition] = First(offset: message.offset, at: time)
            case .end(let partition, let offset):
                if found[partition] == nil { found[partition] = First(offset: offset) }
            case .failed: continue
            }
        }
        return found
    }

    /// Reads messages, each partition's in their order.
    ///
    /// - Parameters:
    ///   - ranges: offsets to read of each partition.
    ///   - timeout: how long to wait without any message.
    ///   - body: gets each message.
    /// - Returns: the partitions that were not read to the end of their range, and why.
    /// - Throws: `KafkaError` when the client cannot read at all; what `body` throws.
    func messages(
        in ranges: [TopicPartition: Range<Int64>], timeout: Duration = .seconds(10),
        _ body: (borrowing KafkaMessage) throws -> Void
    ) throws -> [TopicPartition: String] {
        var open = ranges.filter { !$0.value.isEmpty }
        var failed: [TopicPartition: String] = [:]
        guard !open.isEmpty else { return failed }
        try inspector.start(open.mapValues(\.lowerBound))
        var silence = ContinuousClock.now + limit(timeout)
        while !open.isEmpty, ContinuousClock.now < silence {
            guard let event = inspector.poll(timeout: .milliseconds(200)) else { continue }
            switch event {
            case .message(let message):
                let partition = message.topicPartition
                guard let range = open[partition] else { continue }
                silence = .now + timeout
                if let deadline { silence = min(silence, deadline) }
                if message.offset < range.upperBound { try body(message) }
                if message.offset + 1 >= range.upperBound { open[partition] = nil }
            // A follower that is read may be behind its leader.
            case .end(let partition, let offset):
                if let range = open[partition], offset >= range.upperBound { open[partition] = nil }
            case .failed(let partition, let error):
                if open.removeValue(forKey: partition) != nil { failed[partition] = "\(error)" }
            }
        }
        for partition in open.keys { failed[partition] = "\(partition) was not read to its end in time" }
        return failed
    }
}
