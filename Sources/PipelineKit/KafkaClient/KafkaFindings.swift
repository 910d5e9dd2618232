import Core

/// What settings of topics and the library mean.
extension KafkaDoctor {
    /// Brokers of Kafka 4 reject the SCRAM of librdkafka before 2.6.1.
    package static func library(_ version: String, mechanism: String) -> DoctorFinding {
        let parts = version.split(separator: ".").prefix(3).compactMap { Int($0.prefix { $0.isNumber }) }
        let isOld = parts.count == 3 && (parts[0], parts[1], parts[2]) < (2, 6, 1)
        guard isOld, mechanism.uppercased().hasPrefix("SCRAM") else { return .ok("librdkafka", version) }
        return .warning(
            "librdkafka", "\(version) with \(mechanism): brokers of Kafka 4 reject it",
            remedy: "install librdkafka 2.6.1 or later, or use mutual TLS")
    }

    /// Settings of a topic that lose lines, or reject them.
    ///
    /// - Parameters:
    ///   - name: of the topic.
    ///   - found: what the broker reports; nothing without the right to see it.
    ///   - lineLimit: X_LINE_LIMIT in bytes.
    /// - Returns: what is wrong.
    package static func topic(_ name: String, _ found: [String: String], lineLimit: Int) -> [DoctorFinding] {
        var findings: [DoctorFinding] = []
        if let retention = found["retention.ms"].flatMap({ Int64($0) }), (0..<604_800_000).contains(retention) {
            findings.append(
                .warning(
                    "topic \(name)",
                    "retention.ms is \(shortAge(retention / 1000)): a loader that is stopped for longer loses lines",
                    remedy: "set it to at least seven days"))
        }
        if let bytes = found["max.message.bytes"].flatMap({ Int($0) }), bytes < lineLimit {
            findings.append(
                .warning(
                    "topic \(name)",
                    "max.message.bytes is \(bytes), below X_LINE_LIMIT (\(lineLimit)): longer lines become rejects",
                    remedy: "raise max.message.bytes of the topic, and message.max.bytes in the properties"))
        }
        if found["cleanup.policy"]?.contains("compact") == true {
            findings.append(
                .fail(
                    "topic \(name)", "it is compacted: Kafka deletes lines that were not loaded",
                    remedy: "set cleanup.policy=delete"))
        }
        return findings
    }

    /// Copies of each message. One broker can keep no more than one.
    ///
    /// - Parameters:
    ///   - name: of the topic.
    ///   - replicas: of the partition that has the fewest.
    ///   - brokers: of the cluster.
    ///   - found: settings that the broker reports.
    /// - Returns: what is wrong; nil for nothing.
    package static func copies(
        _ name: String, _ replicas: Int, brokers: Int, _ found: [String: String]
    ) -> DoctorFinding? {
        guard brokers >= 3 else { return nil }
        if replicas < 3 {
            return .warning(
                "topic \(name)", "\(replicas) copies of each message on \(brokers) brokers: a lost disk may lose lines",
                remedy: "three replicas (kafka-reassign-partitions.sh) and min.insync.replicas=2")
        }
        guard found["min.insync.replicas"] == "1" else { return nil }
        return .warning(
            "topic \(name)", "min.insync.replicas is 1: a message counts as stored when one broker has it",
            remedy: "set it to 2")
    }
}
