/// What to do when Kafka has deleted messages before they were loaded.
enum HolePolicy: String, CaseIterable, Sendable {
    /// The partition stands still until a person decides; the others go on.
    case stop
    /// Goes on with the oldest message that Kafka has.
    case `continue`
}
