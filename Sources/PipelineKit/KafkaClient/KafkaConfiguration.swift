import Core

/// librdkafka properties, from which clients are made.
///
/// Names and meanings are librdkafka's own (its CONFIGURATION.md); every one can be set.
package struct KafkaConfiguration: Sendable {
    /// Where a property was set, for messages about it.
    package struct Property: Sendable, Equatable {
        package let value: String
        /// Such as `-X` or `producer.properties:12`.
        package let origin: String

        package init(_ value: String, from origin: String) {
            self.value = value
            self.origin = origin
        }
    }

    private(set) package var properties: [String: Property]
    private static let defaults = ["bootstrap.servers": Property("localhost:9092", from: "default")]

    /// A properties file, which is read again for each client that is made, and what comes before its properties.
    private var file: (path: String, overrides: [String: Property])?
    /// A file with a token for SASL/OAUTHBEARER, read whenever librdkafka wants one.
    package var tokenFile: String?
    /// The files that the properties were read from, and their state at that time.
    private(set) var credentialFiles = CredentialFiles([])
    /// Set when the client is made. The user must not change these values, because a guarantee depends on them.
    private var fixed: [String: String] = [:]

    package init(_ properties: [String: Property]) {
        self.properties = Self.defaults.merging(properties) { $1 }
    }

    /// Properties of a file, and some that come before them.
    ///
    /// - Throws: `KafkaClientError` when the file cannot be read, naming its line.
    package init(file: String, overrides: [String: Property]) throws(KafkaClientError) {
        properties = [:]
        self.file = (file, overrides)
        self = try current()
    }

    /// The same with what the files contain now.
    ///
    /// - Throws: `KafkaClientError` when the properties file cannot be read, naming its line.
    package func current() throws(KafkaClientError) -> KafkaConfiguration {
        var result = self
        var paths = [file?.path, tokenFile].compactMap { $0 }
        var files = CredentialFiles(paths)
        if let file {
            do {
                result.properties = try Self.defaults
                    .merging(KafkaProperties.parse(readTextFile(file.path), file: file.path)) { $1 }
                    .merging(file.overrides) { $1 }
            } catch let error as KafkaClientError {
                throw error
            } catch {
                throw KafkaClientError(.operator(.settings), "KAFKA_PROPERTIES_FILE: \(error)")
            }
        }
        paths = CredentialFiles.properties.compactMap { result.properties[$0]?.value }
        files.add(paths)
        result.credentialFiles = files
        return result
    }

    package init(bootstrapServers: String) {
        properties = ["bootstrap.servers": Property(bootstrapServers, from: "the program")]
    }

    /// Whether a property's value must never be shown.
    static func isSecret(_ name: String) -> Bool {
        ["password", "secret", "token", ".pem", "oauthbearer.config", "sasl.jaas"].contains { name.contains($0) }
    }

    /// The name that the user has set for a member of a consumer group (`group.instance.id`).
    package var memberName: String? { properties["group.instance.id"]?.value }

    /// Whether `security.protocol` is one with TLS, and the file of our own certificate.
    package var encryption: (hasTLS: Bool, certificate: String?) {
        let properties = (try? current())?.properties ?? [:]
        let hasTLS = properties["security.protocol"]?.value.lowercased().contains("ssl") == true
        return (hasTLS, hasTLS ? properties["ssl.certificate.location"]?.value : nil)
    }

    /// The files that hold secrets: the properties, a token, a private key.
    var secretFiles: [String] {
        let properties = (try? current())?.properties ?? [:]
        let hasSecret = properties.contains { Self.isSecret($0.key) && !$0.key.hasSuffix(".location") }
        return [hasSecret ? file?.path : nil, tokenFile, properties["ssl.key.location"]?.value].compactMap { $0 }
    }

    package var bootstrapServers: String { properties["bootstrap.servers"]?.value ?? "" }

    /// The same with values for properties that were not set.
    package func withDefaults(_ defaults: [String: String]) -> KafkaConfiguration {
        var result = self
        for (name, value) in defaults where properties[name] == nil {
            result.properties[name] = Property(value, from: "default")
        }
        return result
    }

    /// The same with other values, also for properties that were set.
    func replacing(_ values: [String: String]) -> KafkaConfiguration {
        var result = self
        for (name, value) in values { result.properties[name] = Property(value, from: "the program") }
        return result
    }

    /// The same with this name for a member of a consumer group, or none.
    func naming(_ member: String?) -> KafkaConfiguration {
        var result = self
        result.properties["group.instance.id"] = member.map { Property($0, from: "the program") }
        return result
    }

    /// The most bytes of a batch (`batch.size`, and librdkafka's default without it).
    var batchBytes: Int { properties["batch.size"].flatMap { Int($0.value) } ?? 1_000_000 }

    /// How long a request may take (`socket.timeout.ms`, and librdkafka's default without it).
    package var socketTimeout: Duration {
        .milliseconds(properties["socket.timeout.ms"].flatMap { Int($0.value) } ?? 60_000)
    }

    /// The same with properties that a guarantee depends on.
    ///
    /// - Throws: `KafkaClientError` when the user has set one of them to a different value.
    package func fixing(_ values: [String: String]) throws(KafkaClientError) -> KafkaConfiguration {
        var result = self
        for (name, value) in values {
            if let found = properties[name], found.value != value {
                throw KafkaClientError(
                    .operator(.settings),
                    "\(found.origin): \(name)=\(found.value) cannot be used:"
                        + " \(name)=\(value) is what keeps tweets from being lost or doubled. Remove the line.")
            }
            result.properties[name] = Property(value, from: "the program")
        }
        return result
    }
}
