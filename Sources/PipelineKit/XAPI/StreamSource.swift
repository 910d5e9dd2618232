import Core

/// The kinds of streams that X has and that can be read here.
package enum StreamKind: String, CaseIterable, Sendable {
    /// Posts that match the app's rules.
    case filtered
    /// One post in a hundred (X: "Volume streams").
    case sample
    /// One post in ten, half of them in each partition.
    case sample10

    /// The path of the endpoint.
    package var path: String {
        switch self {
        case .filtered: "/2/tweets/search/stream"
        case .sample: "/2/tweets/sample/stream"
        case .sample10: "/2/tweets/sample10/stream"
        }
    }

    /// What X's Connections API calls the endpoint.
    package var endpointName: String { "\(rawValue)_stream" }

    /// The partitions, each of which is a connection of its own; nil for a stream without.
    package var partitions: ClosedRange<Int>? { self == .sample10 ? 1...2 : nil }

    /// Whether X sends a window of the last 24 hours again (`start_time`, `end_time`).
    package var hasRecovery: Bool { self != .sample }
}

/// One of X's streams: which kind, and which part of it.
package struct StreamSource: Equatable, Sendable {
    package let kind: StreamKind
    /// Nil for a stream without partitions.
    package let partition: Int?

    package static let filtered = StreamSource(.filtered)

    package static let kindSetting = Setting(
        "X_STREAM", flag: "x-stream", .one(of: StreamKind.self), default: "filtered",
        "X's stream: `filtered` by rules, or, with an enterprise account and without rules, `sample` (1 % of all posts) or"
            + " `sample10` (10 %)")
    package static let partitionSetting = Setting(
        "X_PARTITION", flag: "x-partition", .count(1...2), unset: "none",
        "Partition of `sample10`: each is a connection and needs a stream name of its own")
    package static let settings = [kindSetting, partitionSetting]

    /// - Parameters:
    ///   - kind: of the stream.
    ///   - partition: nil for a stream without partitions.
    package init(_ kind: StreamKind, partition: Int? = nil) {
        (self.kind, self.partition) = (kind, partition)
    }

    /// Reads the settings; a partition that is missing or has no meaning is a mistake, which is added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: the stream.
    package static func read(_ reader: inout SettingsReader) -> StreamSource {
        let kind = reader.choice(kindSetting, StreamKind.self) ?? .filtered
        let partition = reader.optionalInt(partitionSetting)
        let isSet = reader.string(partitionSetting) != nil
        if let partitions = kind.partitions, !isSet {
            reader.addMistake(
                "\(partitionSetting.title) is not set: \(kind.rawValue) has the partitions \(partitions.lowerBound) and"
                    + " \(partitions.upperBound), each with a connection and a stream name of its own")
        }
        if kind.partitions == nil, isSet {
            reader.addMistake(
                "\(reader.origin(partitionSetting)): the stream \(kind.rawValue) has no partitions; remove it, or set"
                    + " \(kindSetting.environment)=sample10")
        }
        return StreamSource(kind, partition: kind.partitions == nil ? nil : partition)
    }

    /// Adds a mistake to the reader's when the settings are those of a stream without rules.
    ///
    /// - Parameter reader: the settings of a command that changes or lists rules.
    package static func requireFiltered(_ reader: inout SettingsReader) {
        guard let kind = reader.choice(kindSetting, StreamKind.self), kind != .filtered else { return }
        reader.addMistake(
            "\(reader.origin(kindSetting)): rules belong to the filtered stream; a \(kind.rawValue) stream has none")
    }

    /// What the endpoint is asked for beside fields.
    package var query: [(name: String, value: String)] { partition.map { [("partition", "\($0)")] } ?? [] }

    /// `filtered`, `sample` or `sample10, partition 1`.
    package var text: String { kind.rawValue + (partition.map { ", partition \($0)" } ?? "") }
}
