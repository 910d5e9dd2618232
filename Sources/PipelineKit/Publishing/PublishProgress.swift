internal import Logging

/// Logs every 10 s how far publishing has come, while it moves.
struct PublishProgress {
    private let logger: Logger
    private var reported: Int64
    private var due = ContinuousClock.now + interval

    private static let interval = Duration.seconds(10)

    init(logger: Logger, acknowledged: Int64) {
        self.logger = logger
        reported = acknowledged
    }

    mutating func tell(acknowledged: Int64, lastSeq: Int64) {
        guard acknowledged > reported, ContinuousClock.now >= due else { return }
        logger.info(
            "published",
            metadata: [
                "lines": .stringConvertible(acknowledged - reported),
                "waiting": .stringConvertible(lastSeq - acknowledged),
            ])
        reported = acknowledged
        due = .now + Self.interval
    }
}
