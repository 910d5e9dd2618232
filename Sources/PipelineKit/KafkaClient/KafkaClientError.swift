import Core

/// Why a Kafka client cannot be made, or cannot begin its work.
package struct KafkaClientError: DisposedError {
    /// `retry` when the system has no room for a client; `wait` when Kafka does not accept a topic or a subscription;
    /// `operator` for properties that cannot be used, and for a token that is missing or has ended.
    package let disposition: Disposition
    package let description: String

    /// - Parameters:
    ///   - disposition: what to do about it.
    ///   - description: the property, the file or the topic, the reason, and the remedy.
    package init(_ disposition: Disposition, _ description: String) {
        (self.disposition, self.description) = (disposition, description)
    }
}
