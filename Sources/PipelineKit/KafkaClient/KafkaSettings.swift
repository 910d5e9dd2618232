import Core

/// Where Kafka is and which topic is meant; the same for both services.
package enum KafkaSettings: SettingGroup {
    package static let title = "Kafka"
    package static let servers = Setting(
        "KAFKA_BOOTSTRAP_SERVERS", flag: "kafka", .text, unset: "localhost:9092", value: "servers",
        "Kafka's brokers, host:port[,…]")
    package static let topicSetting = Setting(
        "KAFKA_TOPIC", flag: "topic", .text, default: "tweets", value: "topic",
        "Topic of tweets; events go to TOPIC.events")
    package static let properties = Setting(
        "-X", flag: "X", .properties, isInFile: false,
        "A librdkafka property, as key=value; may be repeated (a file: KAFKA_PROPERTIES_FILE)")
    package static let propertiesFile = Setting(
        "KAFKA_PROPERTIES_FILE", .file,
        "File of librdkafka properties. `-X` and `--kafka` precede it. It is read again while Kafka rejects the connection"
    )
    package static let tokenFile = Setting(
        "KAFKA_TOKEN_FILE", .file,
        "File with a token (JWT) for `sasl.mechanism=OAUTHBEARER`, renewed by another program")
    package static let settings = [servers, topicSetting, properties, propertiesFile, tokenFile]

    /// The topic for tweets.
    package static func topicName(_ reader: inout SettingsReader) -> String {
        let name = reader.text(topicSetting)
        let isValid = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || [45, 46, 95].contains(byte)
        }
        if !isValid || name.utf8.count > 240 || name == "." || name == ".." {
            reader.addMistake(
                "\(reader.origin(topicSetting)): '\(name)' must be 1 to 240 letters, digits, '.', '_' or '-'")
        }
        return name
    }

    /// All librdkafka properties: `-X` over --kafka and its variable over the properties file over the default.
    package static func configuration(_ reader: inout SettingsReader) -> KafkaConfiguration {
        let overrides = overrides(&reader)
        var configuration = KafkaConfiguration(overrides)
        if let path = reader.string(propertiesFile) {
            do { configuration = try KafkaConfiguration(file: path, overrides: overrides) } catch {
                reader.addMistake(error.description)
            }
        }
        configuration.tokenFile = reader.string(tokenFile)
        if let mistake = configuration.tokenMistake { reader.addMistake(mistake) }
        if let mistake = configuration.serversMistake { reader.addMistake(mistake) }
        return configuration
    }

    /// What comes before a properties file.
    private static func overrides(_ reader: inout SettingsReader) -> [String: KafkaConfiguration.Property] {
        var properties: [String: KafkaConfiguration.Property] = [:]
        if let servers = reader.string(Self.servers) {
            properties["bootstrap.servers"] = .init(servers, from: reader.origin(Self.servers))
        }
        for pair in reader.list(Self.properties) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, !parts[0].isEmpty {
                properties[String(parts[0])] = .init(String(parts[1]), from: reader.origin(Self.properties))
            } else {
                // Without `=` it may hold a value, even a password.
                let name = pair.prefix { $0.isASCII && ($0.isLetter || $0 == ".") }
                reader.addMistake("-X \(name)…: expected property=value")
            }
        }
        return properties
    }
}

extension KafkaConfiguration {
    /// What is wrong about the brokers' addresses; nil when nothing is.
    ///
    /// librdkafka leaves out what it cannot read, and then waits for brokers that do not exist.
    fileprivate var serversMistake: String? {
        guard let property = properties["bootstrap.servers"] else { return nil }
        let protocols = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
        for server in property.value.split(separator: ",") {
            var address = Substring(server.trimmed)
            // librdkafka allows a security protocol as scheme (rd_kafka_broker_name_parse).
            if let mark = address.firstRange(of: "://") {
                if protocols.contains(address[..<mark.lowerBound].lowercased()) {
                    address = address[mark.upperBound...]
                }
            }
            if ServerAddress(address, needsPort: false) == nil {
                return "\(property.origin): bootstrap.servers: '\(Redaction.clean(server.trimmed))' is not host:port"
            }
        }
        return nil
    }

    /// What is wrong about the way that SASL/OAUTHBEARER is to get its token; nil when nothing is.
    fileprivate var tokenMistake: String? {
        let mechanism = (properties["sasl.mechanism"] ?? properties["sasl.mechanisms"])?.value.uppercased()
        if tokenFile != nil, mechanism != "OAUTHBEARER" {
            return "KAFKA_TOKEN_FILE: a token is of use with sasl.mechanism=OAUTHBEARER only"
        }
        let hasOwnWay =
            properties["sasl.oauthbearer.method"]?.value == "oidc"
            || properties["enable.sasl.oauthbearer.unsecure.jwt"]?.value == "true"
        if tokenFile == nil, mechanism == "OAUTHBEARER", !hasOwnWay {
            return "sasl.mechanism=OAUTHBEARER needs a token: name its file with KAFKA_TOKEN_FILE,"
                + " or set sasl.oauthbearer.method=oidc and what belongs to it"
        }
        return nil
    }
}
