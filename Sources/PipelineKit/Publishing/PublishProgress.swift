internal import Core
internal import Logging

/// Logs every 10 s how far publishing has come, while it moves.
struct PublishProgress {
    private let logger: Logger
    private var reported: Int64
    private var pace = Periodic(every: .seconds(10))

    init(logger: Logger, acknowledged: Int64) {
        self.logger = logger
        reported = acknowledged
    }

    mutating func report(acknowledged: Int64, lastSeq: Int64) {
        guard acknowledged > reported, pace.isDue() else { return }
        logger.info(
            "published",
            metadata: [
                "lines": .stringConvertible(acknowledged - reported),
                "waiting": .stringConvertible(lastSeq - acknowledged),
            ])
        reported = acknowledged
    }
}
