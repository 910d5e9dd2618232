import Core
import Journal
import KafkaClient
import Postgres

/// Looks at the ledger, Kafka and the journal until it is known what is missing.
///
/// A number that seems missing may be a line on its way: published after Kafka's ends were read, or held by a producer
/// that was just restarted. It counts as missing when it stayed missing over several looks, each of which began after
/// the one before had ended, and no producer can still hold it.
struct Verification {
    /// How long a number must seem missing before it counts.
    struct Patience {
        /// How many looks, at least.
        var looks = 4
        /// From the end of the first look to the beginning of the last; systemd restarts a producer after 5 s.
        var time = Duration.seconds(20)
        /// Between two looks.
        var pause = Duration.milliseconds(500)
        /// How far a producer's newest line may be ahead of one that it has to send again after a stop of any length. Of a
        /// journal that is not read, only what is further behind is certainly not held by its producer.
        var underWay = KafkaProducer.mostUnderWay
    }

    let settings: LoaderSettings
    /// The folder of the producer's journals; nil when it is not read.
    var journals: String?
    var patience = Patience()
    private var kafka: KafkaEnds
    private var seen = SeenMessages()

    /// - Throws: `KafkaClientError` when librdkafka rejects a property.
    init(_ settings: LoaderSettings, journals: String? = nil, patience: Patience = Patience()) throws(KafkaClientError)
    {
        self.settings = settings
        self.journals = journals
        self.patience = patience
        kafka = try KafkaEnds(settings.kafka, group: settings.group)
    }

    /// Looks until nothing seems missing or what does counts as missing; with `wait`, until nothing is pending.
    ///
    /// - Parameter wait: how long to wait for what is pending, and for looks after the first.
    /// - Returns: what is known then.
    /// - Throws: `DatabaseError` for what is neither an outage nor bad data, such as credentials that PostgreSQL rejects.
    mutating func run(wait: Duration? = nil) throws -> LedgerReport {
        let deadline = wait.map { ContinuousClock.now + $0 }
        // One look needs some time, however short the wait.
        kafka.deadline = deadline.map { max($0, .now + .seconds(5)) }
        var suspects = Suspects()
        while true {
            let begin = ContinuousClock.now
            let look = try look()
            suspects.note(missing(look), beginsAgain: wait != nil)
            let isProven = suspects.areProven(by: patience, lookBegan: begin)
            let isDecided = suspects.isEmpty || isProven || !look.problems.isEmpty
            let isOver = deadline.map { ContinuousClock.now >= $0 } ?? isDecided
            let report = report(look, suspects, isProven: isProven)
            let isWaitedFor = report.pending > 0 || !report.problems.isEmpty
            if isOver || isDecided && (report.missing > 0 || !isWaitedFor) { return report }
            _ = Stop().wait(for: deadline.map { max(.zero, min(patience.pause, $0 - .now)) } ?? patience.pause)
        }
    }

    /// One look, with the messages in Kafka that no look has seen yet.
    private mutating func look() throws -> LedgerLook {
        var look: LedgerLook
        do { look = try LedgerLook(settings, journals: journals, kafka) } catch let error as DatabaseError
            where error.disposition == .wait || error.disposition == .retry
        {
            look = LedgerLook(problem: "\(error)")
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
    private func known(_ name: JournalName, _ look: LedgerLook) -> RangeSet<Int64> {
        look.settled[name, default: RangeSet()].union(seen.numbers[name, default: RangeSet()]).union(
            look.unpublished[name, default: RangeSet()])
    }

    /// The numbers below the highest one of each journal that are nowhere.
    private func missing(_ look: LedgerLook) -> [JournalName: RangeSet<Int64>] {
        Dictionary(uniqueKeysWithValues: names(look).map { ($0, known($0, look).missing) })
    }

    /// The numbers of a journal that no producer can still hold.
    private func lost(_ name: JournalName, _ look: LedgerLook) -> RangeSet<Int64> {
        let last = known(name, look).last
        // What its journal holds is known.
        if look.unpublished[name] != nil { return RangeSet(0..<last + 1) }
        return look.dropped[name, default: RangeSet()].union(RangeSet(0..<max(0, last - patience.underWay) + 1))
    }

    private func report(_ look: LedgerLook, _ suspects: Suspects, isProven: Bool) -> LedgerReport {
        var problems = look.problems
        let isCounted = look.problems.isEmpty
        let journals = names(look).sorted().map { name in
            let settled = look.settled[name, default: RangeSet()]
            let kafka = seen.numbers[name, default: RangeSet()].subtracting(settled)
            let unpublished = look.unpublished[name, default: RangeSet()].subtracting(settled).subtracting(kafka)
            let suspected = isCounted ? suspects.numbers[name, default: RangeSet()] : RangeSet()
            let missing = isProven ? suspected.intersection(lost(name, look)) : RangeSet()
            problems += unproven(name, suspected.subtracting(missing), isProven: isProven)
            let last = known(name, look).last
            let inFlight = last - settled.count - missing.count
            return LedgerReport.JournalLines(
                stream: name.stream, journal: name.journal, numbered: last, settled: settled.count, inFlight: inFlight,
                inKafka: kafka.count, unpublished: unpublished.count,
                onTheWay: inFlight - kafka.count - unpublished.count, missing: missing.count,
                missingNumbers: .init(numbers: missing))
        }
        return LedgerReport(
            journals, look.facts, lag: seen.count(in: look.unsettled), foreign: seen.foreign(in: look.unsettled),
            problems: problems)
    }

    /// What to report of numbers that are nowhere, and may still come.
    private func unproven(_ name: JournalName, _ numbers: RangeSet<Int64>, isProven: Bool) -> [String] {
        guard numbers.count > 0 else { return [] }
        let lines = "\(counted(numbers.count, "line")) of \(name.stream) \(name.journal) (\(numbers.listed))"
        guard isProven else {
            return ["\(lines) not found yet: they count as missing after several looks within \(patience.time.short)"]
        }
        return [
            "\(lines) neither in Kafka nor in PostgreSQL; the producer may still hold them: use --journal DIR on its host"
        ]
    }
}

/// Numbers that seem missing, and how often and how long they have.
private struct Suspects {
    private(set) var numbers: [JournalName: RangeSet<Int64>] = [:]
    private var looks = 0
    private var since = ContinuousClock.now

    var isEmpty: Bool { numbers.values.allSatisfy { $0.isEmpty } }

    /// Keeps what the next look does not find either.
    ///
    /// - Parameters:
    ///   - missing: what it does not find.
    ///   - beginsAgain: whether new numbers may become suspects when no old one is left.
    mutating func note(_ missing: [JournalName: RangeSet<Int64>], beginsAgain: Bool) {
        if looks == 0 || isEmpty && beginsAgain {
            (numbers, looks, since) = (missing, 1, .now)
        } else {
            numbers = numbers.merging(missing) { $0.intersection($1) }.filter { missing[$0.key] != nil }
            looks += 1
        }
    }

    /// Whether they seemed missing for long enough, with the look that began then.
    func areProven(by patience: Verification.Patience, lookBegan begin: ContinuousClock.Instant) -> Bool {
        looks >= patience.looks && begin >= since + patience.time
    }
}

extension LedgerLook {
    /// A look at nothing.
    fileprivate init(problem: String) {
        problems = [problem]
    }
}
