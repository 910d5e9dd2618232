import Core
internal import Logging

/// Finds what would keep a client from Kafka's topics, or lose what is in them. Reads only, and joins no group.
package struct KafkaDoctor {
    /// What was found.
    package struct Found {
        package fileprivate(set) var findings: [DoctorFinding] = []
        /// How long Kafka keeps each topic's messages, as far as it says; nil for ever.
        package fileprivate(set) var retention: [String: Duration?] = [:]
        /// How many partitions each topic has.
        package fileprivate(set) var partitions: [String: Int] = [:]
        /// The addresses that the brokers advertise, by their ids.
        package fileprivate(set) var brokers: [Int: TCPServer] = [:]
    }

    let configuration: KafkaConfiguration
    private let topics: [String]
    /// Whether the service creates topics that do not exist.
    private let createsTopics: Bool
    /// X_LINE_LIMIT in bytes.
    private let lineLimit: Int
    private let patience = Duration.seconds(5)

    /// - Parameters:
    ///   - configuration: of the service's clients.
    ///   - topics: those that it uses.
    ///   - createsTopics: whether it creates those that do not exist.
    ///   - lineLimit: the bytes of a line, at most.
    package init(_ configuration: KafkaConfiguration, topics: [String], createsTopics: Bool, lineLimit: Int = 0) {
        (self.configuration, self.topics) = (configuration, topics)
        (self.createsTopics, self.lineLimit) = (createsTopics, lineLimit)
    }

    /// Whether `security.protocol` is one with TLS, and the file of our own certificate.
    package var encryption: (hasTLS: Bool, certificate: String?) { configuration.encryption }

    /// The library, and the files with secrets.
    package var local: [DoctorFinding] {
        let properties = (try? configuration.current())?.properties ?? [:]
        let mechanism = (properties["sasl.mechanism"] ?? properties["sasl.mechanisms"])?.value ?? ""
        return [Self.library(kafkaLibrary.version, mechanism: mechanism)]
            + configuration.secretFiles.map { DoctorFinding.secretFile("kafka", $0) }
    }

    /// What the brokers say.
    ///
    /// - Parameter group: which the service joins; nil for none.
    /// - Returns: what was found, the topics in their order.
    package func remote(group: String? = nil) -> Found {
        var found = Found()
        do {
            let silent = Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }
            let inspector = try KafkaInspector(configuration, group: group ?? "tweet-doctor", logger: silent)
            let cluster = try inspector.cluster(timeout: patience)
            found.findings.append(.ok("kafka", "\(cluster.brokers.count) brokers"))
            found.brokers = cluster.brokers
            for topic in topics { look(at: topic, cluster, inspector, &found) }
            if group != nil { look(atGroupOf: inspector, &found) }
        } catch let error as KafkaClientError {
            found.findings.append(
                .fail("kafka", error.description, remedy: "correct the properties", error.disposition))
        } catch {
            found.findings.append(
                .fail(
                    "kafka", "\(error)", remedy: "check KAFKA_BOOTSTRAP_SERVERS, security.protocol and the credentials",
                    .wait))
        }
        return found
    }

    private func look(
        at topic: String, _ cluster: KafkaInspector.Cluster, _ inspector: KafkaInspector, _ found: inout Found
    ) {
        let name = "topic \(topic)"
        guard let description = cluster.topics[topic] else {
            return found.findings.append(missing(topic))
        }
        found.partitions[topic] = description.partitions
        let settings: [String: String]
        do throws(KafkaError) {
            settings = try inspector.handle.topicConfig(
                topic, names: ["retention.ms", "max.message.bytes", "cleanup.policy", "min.insync.replicas"],
                timeout: patience)
        } catch {
            return found.findings.append(.fail(name, "\(error)", remedy: "check the ACLs: Describe", .wait))
        }
        if let retention = settings["retention.ms"].flatMap({ Int64($0) }) {
            let kept: Duration? = retention < 0 ? nil : .milliseconds(retention)
            found.retention.updateValue(kept, forKey: topic)
        }
        let findings =
            Self.topic(topic, settings, lineLimit: lineLimit)
            + [Self.copies(topic, description.replicas, brokers: cluster.brokers.count, settings)].compactMap { $0 }
        found.findings += findings.isEmpty ? [.ok(name, "\(description.partitions) partitions")] : findings
    }

    /// A broker lists neither what does not exist nor what an ACL hides, and to ask for one topic could create it.
    private func missing(_ topic: String) -> DoctorFinding {
        let name = "topic \(topic)"
        guard createsTopics else {
            return .fail(
                name, "there is none, or an ACL hides it",
                remedy:
                    "start the producer, or create it (kafka/create-topics.sh); ACLs: Describe and Read on the topic",
                .wait)
        }
        return .warning(
            name, "there is none, or an ACL hides it: the service creates it when it has the right to",
            remedy: "kafka/create-topics.sh, or an ACL for Create; ACLs: Describe and Write on the topic")
    }

    private func look(atGroupOf inspector: KafkaInspector, _ found: inout Found) {
        let partitions = found.partitions.map { TopicPartition($0.key, 0) }
        guard !partitions.isEmpty else { return }
        do throws(KafkaError) {
            _ = try inspector.committed(partitions, timeout: patience)
            found.findings.append(.ok("group", "Kafka answers for it"))
        } catch {
            let isDenied = error.name == "GROUP_AUTHORIZATION_FAILED"
            found.findings.append(
                .fail(
                    "group", "\(error)", remedy: isDenied ? "an ACL for the user: Read on the group" : "check Kafka",
                    isDenied ? .operator(.credentials) : .wait))
        }
    }
}
