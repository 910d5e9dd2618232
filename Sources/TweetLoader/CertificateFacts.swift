import Core
import Digests
import KafkaClient
import Logging
import Postgres

/// Looks every hour when certificates end, for metrics: PostgreSQL's, and our own for Kafka.
///
/// libpq does not say what the server has shown, so it is asked on a connection of its own, which ends with the handshake.
struct CertificateFacts {
    private let ends: LabelledGauges<CertificatePeer>
    private let logger: Logger
    private var server = CertificateFacts.hourly
    private var client = CertificateFacts.hourly

    private static var hourly: Periodic { Periodic(every: .seconds(3600), atOnce: true) }

    /// - Parameters:
    ///   - ends: where the ends are stored.
    ///   - logger: gets what cannot be looked at.
    init(_ ends: LabelledGauges<CertificatePeer>, logger: Logger) {
        (self.ends, self.logger) = (ends, logger)
    }

    /// Reads the file of the Kafka client when it is due.
    mutating func look(at kafka: KafkaConfiguration) {
        guard client.isDue() else { return }
        do {
            ends[.kafkaClient].set(try kafka.encryption.certificate.flatMap(Certificates.end(inFile:)))
        } catch {
            client = Self.hourly
            logger.debug("the Kafka client's certificate cannot be read", metadata: ["reason": "\(error)"])
        }
    }

    /// Asks PostgreSQL when it is due.
    ///
    /// - Parameter connection: how the server was just reached.
    mutating func look(at connection: PostgresConnection.Encryption) {
        guard server.isDue() else { return }
        guard connection.version != nil else { return ends[.postgresql].set(Timestamp?.none) }
        do {
            ends[.postgresql].set(
                try Certificates.end(ofServer: connection.host, port: connection.port, .postgres))
        } catch {
            server = Self.hourly
            logger.debug("PostgreSQL's certificate cannot be read", metadata: ["reason": "\(error)"])
        }
    }
}
