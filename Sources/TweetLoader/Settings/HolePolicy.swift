/// What to do when Kafka has deleted messages before they were loaded.
enum HolePolicy: String, CaseIterable, Sendable {
    /// The partition is stopped until an operator decides; the others continue.
    case stop
    /// Goes on with the oldest message that Kafka has.
    case `continue`
}
