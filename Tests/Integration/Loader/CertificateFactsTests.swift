import Core
import Digests
import Harness
import KafkaClient
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// When the certificates end that the loader depends on, as its metrics show it.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct CertificateFactsTests {
    /// Looks until `isEnough` holds for the metrics.
    private func look(
        _ settings: LoaderSettings, until isEnough: (LoaderMetrics) -> Bool
    ) throws -> LabelledGauges<CertificatePeer> {
        let (metrics, stop) = (LoaderMetrics(), Stop())
        let looking = Background {
            var facts = LoaderFacts(settings, metrics, stop: stop, logger: LogRecorder().logger)
            facts.run()
        }
        let isThere = eventually { isEnough(metrics) }
        #expect(isThere)
        stop.raise()
        try looking.join()
        return metrics.facts.certificates
    }

    @Test("those of PostgreSQL and of the Kafka client, and the server's log has no complaint")
    func withTLS() throws {
        let authority = try CertificateAuthority()
        let server = try PostgresSandbox(settings: ["log_connections": "on"])
        try server.serveTLS(authority.files(.valid))
        let properties = [
            "bootstrap.servers": "127.0.0.1:1", "security.protocol": "SSL",
            "ssl.certificate.location": authority.files(.lasting).certificate,
            "ssl.key.location": authority.files(.lasting).key,
        ]
        let settings = LoaderSettings(
            conninfo: try PostgresConninfo(server.url() + "?sslmode=require"),
            kafka: KafkaConfiguration(properties.mapValues { .init($0, from: "the test") }), topic: "tweets")
        let ends = try look(settings) { metrics in
            CertificatePeer.allCases.allSatisfy { metrics.facts.certificates[$0].value > 0 }
        }
        #expect(try ends[.postgresql].moment == Certificates.end(inFile: authority.files(.valid).certificate))
        #expect(try ends[.kafkaClient].moment == Certificates.end(inFile: authority.files(.lasting).certificate))
        let complaints = server.log.split(separator: "\n")
            .filter { $0.contains("SSL error") || $0.contains("could not receive data") }
        #expect(complaints.isEmpty, "\(server.log)")
    }

    @Test("none without TLS")
    func withoutTLS() throws {
        let database = try TestDatabase()
        let ends = try look(.test(database.url)) { $0.facts.readAt.value > 0 }
        #expect(CertificatePeer.allCases.allSatisfy { ends[$0].value == 0 })
    }
}
