import ArgumentParser
import Core
import KafkaClient
import Postgres

/// Which rejects are meant: all conditions must hold.
struct RejectSelection: ParsableArguments {
    @Option(
        help: ArgumentHelp("Reason (not_json, database, ...) or SQLSTATE.", valueName: "code"),
        completion: .list(RejectReason.allCases.map(\.rawValue)))
    var reason: String?

    @Option(
        help: ArgumentHelp(
            "Rejected at that time or later, such as 2026-11-20T08:00:00Z or 2h (ago).", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Rejected before that time.", valueName: "time"))
    var until: String?

    @Option(help: ArgumentHelp("Kafka partition, as topic-number: tweets-3.", valueName: "partition"))
    var partition: String?

    @Option(help: ArgumentHelp("Kafka offset, or first-last.", valueName: "offsets"))
    var offsets: String?

    @Argument(help: "Numbers of single rejects.")
    var numbers: [Int64] = []

    func validate() throws {
        for (name, value) in [("since", since), ("until", until)] {
            if let value, Timestamp(argument: value) == nil {
                throw ValidationError("--\(name): '\(value)' is not \(Timestamp.argumentForm)")
            }
        }
        if let partition, Self.partition(partition) == nil {
            throw ValidationError("--partition: '\(partition)' is not topic-number, such as tweets-3")
        }
        if let offsets, Self.offsets(offsets) == nil {
            throw ValidationError("--offsets: '\(offsets)' is neither an offset nor first-last, such as 100-199")
        }
    }

    /// SQL that is true for a selected row of `rejects`, with parameters $1 to $8.
    static let condition = """
        ($1::bigint[] IS NULL OR id = ANY ($1::bigint[])) AND ($2::text IS NULL OR reason = $2 OR sqlstate = $2)
        AND ($3::timestamptz IS NULL OR rejected_at >= $3::timestamptz)
        AND ($4::timestamptz IS NULL OR rejected_at < $4::timestamptz)
        AND ($5::text IS NULL OR kafka_topic = $5) AND ($6::integer IS NULL OR kafka_partition = $6::integer)
        AND ($7::bigint IS NULL OR kafka_offset >= $7::bigint) AND ($8::bigint IS NULL OR kafka_offset <= $8::bigint)
        """

    /// The parameters of `condition`.
    var parameters: [String?] {
        let partition = partition.flatMap(Self.partition)
        let offsets = offsets.flatMap(Self.offsets)
        return [
            numbers.isEmpty ? nil : arrayLiteral(numbers.map { $0 }), reason,
            since.flatMap { Timestamp(argument: $0) }?.description,
            until.flatMap { Timestamp(argument: $0) }?.description,
            partition?.topic, partition.map { "\($0.partition)" },
            offsets.map { "\($0.lowerBound)" }, offsets.map { "\($0.upperBound)" },
        ]
    }

    private static func partition(_ text: String) -> TopicPartition? {
        guard let dash = text.lastIndex(of: "-"), let number = Int32(text[text.index(after: dash)...]), number >= 0
        else {
            return nil
        }
        return TopicPartition(String(text[..<dash]), number)
    }

    private static func offsets(_ text: String) -> ClosedRange<Int64>? {
        let bounds = text.split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
        guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2, first <= last else {
            return nil
        }
        return first...last
    }
}
