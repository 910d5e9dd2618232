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
    /// Set when the client is made; it must not be changed by the user, because a guarantee hangs on it.
    private var fixed: [String: String] = [:]

    package init(_ properties: [String: Property]) {
        self.properties = properties
    }

    package init(bootstrapServers: String) {
        properties = ["bootstrap.servers": Property(bootstrapServers, from: "the program")]
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

    /// The same with properties that a guarantee hangs on.
    ///
    /// - Throws: `Failure` (78) when one of them was set to something else.
    package func fixing(_ values: [String: String]) throws(Failure) -> KafkaConfiguration {
        var result = self
        for (name, value) in values {
            if let found = properties[name], found.value != value {
                throw Failure(
                    .badSettings,
                    "\(found.origin): \(name)=\(found.value) cannot be used:"
                        + " \(name)=\(value) is what keeps tweets from being lost or doubled. Remove the line.")
            }
            result.properties[name] = Property(value, from: "the program")
        }
        return result
    }
}
