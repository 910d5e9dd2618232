import KafkaClient
import Logging

extension BatchMailbox {
    /// Requests to leave the group when partitions are not ours to settle, and warns of each of them.
    ///
    /// - Parameters:
    ///   - locked: what was found when the offsets were locked.
    ///   - logger: is warned.
    func leave(_ locked: PartitionClaims.Locked, _ logger: Logger) {
        for (partition, owner) in locked.lost {
            logger.warning(
                "another loader has claimed a partition; leaving it to that loader",
                metadata: ["partition": .stringConvertible(partition), "owner": "\(owner)"])
            leave("another loader has claimed a partition", lost: partition)
        }
        for partition in locked.setBack.sorted() {
            logger.warning(
                "PostgreSQL has lost committed rows; loading them again",
                metadata: ["partition": .stringConvertible(partition)])
            leave("PostgreSQL was set back")
        }
    }
}
