import Core
import Journal
import KafkaClient

/// Looks at the ledger, Kafka and the journal until it is known what is missing.
///
/// A number that seems missing may be a line on its way: published after Kafka's ends were read, or held by a producer
/// that was just restarted. It counts as missing when it stayed missing over several looks, each of which began after
/// the one before had ended.
struct Verification {
    /// How long a number must seem missing before it counts.
    struct Patience {
        /// How many looks, at least.
        var looks = 4
        /// From the end of the first look to the beginning of the last; systemd restarts a producer after 5 s.
        var time = Duration.seconds(20)
        /// Between two looks.
        var pause = Duration.milliseconds(500)
    }

    /// Numbers that seem missing, and how often and how long they have.
    private struct Suspects {
        var numbers: [JournalName: SequenceSet] = [:]
        var looks = 0
        var since = ContinuousClock.now

        var isEmpty: Bool { numbers.values.allSatisfy { $0.ranges.isEmpty } }

        /// Keeps what the next look, which began at `begin`, does not find either.
        mutating func keep(_ missing: [JournalName: SequenceSet]) {
            numbers = numbers.merging(missing) { $0.intersection($1) }.filter { missing[$0.key] != nil }
            looks += 1
        }
    }

    let settings: LoaderSettings
    /// The folder of the producer's journals; nil when it is not read.
    var journals: String?
    var patience = Patience()
    private let kafka: KafkaEnds
    private var seen = SeenMessages()

    /// - Throws: `Failure` (78) when librdkafka rejects a property.
    init(_ settings: LoaderSettings, journals: String? = nil, patience: Patience = Patience()) throws(Failure) {
        self.settings = settings
        self.journals = journals
        self.patience = patience
        kafka = try KafkaEnds(settings.kafka, group: settings.group)
    }

    /// Looks until nothing seems missing or what does counts as missing; with `wait`, until nothing is pending.
    ///
    /// - Parameter wait: how long to wait for what is pending.
    /// - Returns: what is known then.
    /// - Throws: `Failure` for what is neither an outage nor bad data, such as credentials that PostgreSQL rejects.
    mutating func run(wait: Duration? = nil) throws -> LedgerReport {
        let deadline = wait.map { ContinuousClock.now + $0 }
        var suspects: Suspects?
        while true {
            let begin = ContinuousClock.now
            let look = try look()
            let missing = Dictionary(
                uniqueKeysWithValues: names(look).map { ($0, known($0, look).missing) })
            if suspects == nil || (suspects?.isEmpty == true && wait != nil) {
                suspects = Suspects(numbers: missing, looks: 1, since: .now)
            } else {
                suspects?.keep(missing)
            }
            let isProven =
                suspects.map { $0.looks >= patience.looks && begin >= $0.since + patience.time } ?? false
            let isDecided = suspects?.isEmpty == true || isProven || !look.problems.isEmpty
            let report = report(look, missing: look.problems.isEmpty ? suspects?.numbers ?? [:] : [:])
            let isOver = deadline.map { ContinuousClock.now >= $0 } ?? true
            let isWaitedFor = report.pending > 0 || !look.problems.isEmpty
            if isDecided, isProven && suspects?.isEmpty == false || !isWaitedFor || isOver { return report }
            _ = Stop().wait(for: patience.pause)
        }
    }

    /// One look, with the messages in Kafka that no look has seen yet.
    private mutating func look() throws -> LedgerLook {
        var look: LedgerLook
        do { look = try LedgerLook(settings, journals: journals, kafka) } catch let failure as Failure
            where failure.status == .unavailable || failure.status == .tryAgain
        {
            look = LedgerLook(problem: "\(failure)")
        }
        do {
            for (_, problem) in try seen.read(look.unsettled, kafka).sorted(by: { $0.key < $1.key }) {
                look.problems.append(problem)
            }
        } catch {
            look.problems.append("\(error)")
        }
        return look
    }

    private func names(_ look: LedgerLook) -> Set<JournalName> {
        Set(look.settled.keys).union(seen.numbers.keys).union(look.unpublished.keys)
            .filter { !look.forgotten.contains($0.journal) }
    }

    /// The numbers of a journal that are somewhere.
    private func known(_ name: JournalName, _ look: LedgerLook) -> SequenceSet {
        let none = SequenceSet([])
        return (look.settled[name] ?? none).union(seen.numbers[name] ?? none).union(look.unpublished[name] ?? none)
    }

    private func report(_ look: LedgerLook, missing: [JournalName: SequenceSet]) -> LedgerReport {
        let none = SequenceSet([])
        let journals = names(look).sorted().map { name in
            let settled = look.settled[name] ?? none
            let kafka = (seen.numbers[name] ?? none).subtracting(settled)
            let unpublished = (look.unpublished[name] ?? none).subtracting(settled).subtracting(kafka)
            let missing = missing[name] ?? none
            let last = known(name, look).last
            let inFlight = last - settled.count - missing.count
            return LedgerReport.Journal(
                stream: name.stream, journal: name.journal, numbered: last, settled: settled.count, inFlight: inFlight,
                inKafka: kafka.count, unpublished: unpublished.count,
                onTheWay: inFlight - kafka.count - unpublished.count, missing: missing.count, missingNumbers: missing)
        }
        return LedgerReport(
            journals, look.facts, lag: seen.count(in: look.unsettled), foreign: seen.foreign(in: look.unsettled),
            problems: look.problems)
    }
}

extension LedgerLook {
    /// A look at nothing.
    fileprivate init(problem: String) {
        problems = [problem]
    }
}

/// The messages that the looks have read from Kafka: none is read twice.
struct SeenMessages {
    /// Sequence numbers of lines of our producers.
    private(set) var numbers: [JournalName: SequenceSet] = [:]
    /// Offsets of all messages, and of those without our headers.
    private var offsets: [TopicPartition: (all: SequenceSet, foreign: SequenceSet)] = [:]
    /// How far each partition was read.
    private var ends: [TopicPartition: Int64] = [:]

    /// Reads what was not read before.
    ///
    /// - Returns: the partitions that could not be read to the end of their range, and why.
    mutating func read(
        _ ranges: [TopicPartition: Range<Int64>], _ kafka: KafkaEnds
    ) throws -> [TopicPartition: String] {
        var wanted: [TopicPartition: Range<Int64>] = [:]
        for (partition, range) in ranges {
            let first = max(range.lowerBound, ends[partition] ?? 0)
            if first < range.upperBound { wanted[partition] = first..<range.upperBound }
        }
        var found: [JournalName: [Int64]] = [:]
        var count = 0
        let failed = try kafka.messages(in: wanted) { message in
            add(message, to: &found)
            count += 1
            // So that a large backlog does not fill the memory.
            if count.isMultiple(of: 100_000) { fold(&found) }
        }
        fold(&found)
        for (partition, range) in wanted where failed[partition] == nil { ends[partition] = range.upperBound }
        return failed
    }

    private mutating func add(_ message: borrowing KafkaMessage, to found: inout [JournalName: [Int64]]) {
        let headers = message.recordHeaders()
        if let headers { found[JournalName(headers), default: []].append(headers.seq) }
        let partition = message.topicPartition
        ends[partition] = message.offset + 1
        offsets[partition, default: (SequenceSet([]), SequenceSet([]))].all.append(message.offset)
        if headers == nil { offsets[partition]?.foreign.append(message.offset) }
    }

    private mutating func fold(_ found: inout [JournalName: [Int64]]) {
        for (name, seqs) in found { numbers[name] = SequenceSet(seqs).union(numbers[name] ?? SequenceSet([])) }
        found = [:]
    }

    /// How many messages are in the ranges.
    func count(in ranges: [TopicPartition: Range<Int64>]) -> Int64 {
        ranges.reduce(0) { $0 + (offsets[$1.key]?.all.count(from: $1.value.lowerBound) ?? 0) }
    }

    /// How many of them have no number of ours.
    func foreign(in ranges: [TopicPartition: Range<Int64>]) -> Int64 {
        ranges.reduce(0) { $0 + (offsets[$1.key]?.foreign.count(from: $1.value.lowerBound) ?? 0) }
    }
}
