import Core
import Digests
import Journal
import KafkaClient
import Sandbox
import TestSupport
import Testing
import XAPI

@testable import TweetProducer

/// What the producer reads of itself for metrics.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct ProducerFactsTests {
    @Test("the end of the Kafka client's certificate, with TLS only", arguments: ["sasl_ssl", "plaintext"])
    func clientCertificate(_ security: String) throws {
        let (folder, authority) = (try TemporaryFolder(), try CertificateAuthority())
        let file = authority.files(.lasting).certificate
        let properties = [
            "bootstrap.servers": "127.0.0.1:1", "security.protocol": security, "ssl.certificate.location": file,
        ]
        var reader = try SettingsReader(
            flags: ["JOURNAL_DIR": folder.path], configFile: nil, known: [], environment: [:])
        let settings = ProducerSettings(
            stream: StreamSettings(x: XSettings(url: "http://localhost", token: .value(Secret("t")))),
            kafka: KafkaConfiguration(properties.mapValues { .init($0, from: "test") }), topic: "tweets",
            reader: &reader)
        let journal = try Journal.open(folder: folder.path, stream: "s")
        defer { journal.close() }
        let metrics = ProducerMetrics()
        var facts = ProducerFacts(
            settings, metrics, journal, OpenGaps(folder: folder.path), try PostCounter(folder: folder.path),
            stop: Stop(), logger: LogRecorder().logger)
        facts.read(now: .now())
        let end = security == "plaintext" ? nil : try Certificates.end(inFile: file)
        #expect(metrics.stream.certificates[.kafkaClient].moment == end)
    }
}
