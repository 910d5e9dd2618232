import Core
import KafkaClient

/// What is published again, and how fast.
struct ReplaySettings: Sendable {
    var kafka: KafkaConfiguration
    var topic: String
    var partitions: Int
    var replication: Int
    /// Lines received, or tweets made, at or after this moment.
    var since: Timestamp?
    /// And before this one.
    var until: Timestamp?
    /// The first and the last number.
    var seqs: ClosedRange<Int64> = 1...Int64.max
    /// Single numbers and ranges among them; nil for all.
    var numbers: [ClosedRange<Int64>]?
    /// Lines a second; nil for as fast as Kafka takes them.
    var rate: Double?
    /// Where it is kept how far it has come; nil for nowhere.
    var stateFile: String?
    /// The stream that lines of other tools are counted under.
    var foreignStream = "replay"
    /// Bytes of the longest line (X_LINE_LIMIT).
    var lineLimit = ReplayFile.lineLimit

    /// What distinguishes one replay from another.
    var window: String {
        let numbers = numbers.map { " \($0.map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ","))" }
        return "\(since?.description ?? "") \(until?.description ?? "") \(seqs.lowerBound) \(seqs.upperBound)"
            + (numbers ?? "")
    }

    /// Whether a number is one of those that were asked for.
    func isNumbered(_ seq: Int64) -> Bool {
        numbers?.contains { $0.contains(seq) } ?? true
    }

    /// Numbers and ranges of them: `17,40-41`; nil when the text is not of that form.
    static func numbers(_ text: String) -> [ClosedRange<Int64>]? {
        var result: [ClosedRange<Int64>] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first >= 1,
                last >= first
            else { return nil }
            result.append(first...last)
        }
        return result
    }
}

/// How far a replay has come: the file and how many of its lines are acknowledged.
struct ReplayState: Codable, Equatable {
    var source: String
    var window: String
    /// Place among the files, from 0.
    var file = 0
    /// Lines of that file that were read, and those that were published.
    var line: Int64 = 0
    var published: Int64 = 0
    /// That file's path; nil in a new state, and in states of earlier versions.
    var name: String?
    /// What was wrong with files up to there.
    var problems: [String]?

    /// Whether it stands where it says in a list of files.
    func fits(_ files: [ReplayFile]) -> Bool {
        name == nil || files.indices.contains(file) && files[file].path == name
    }
}
