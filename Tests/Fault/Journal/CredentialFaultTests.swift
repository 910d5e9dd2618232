import Core
import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// F51: certificates and credentials that Kafka, or we, refuse, and then others. The mock cluster has neither TLS nor SASL,
/// so both stand before it.
@Suite(.serialized, .timeLimit(.minutes(5))) struct CredentialFaultTests {
    /// Both services are refused, lines wait in the journal; after `mend` all is there, and nobody was restarted. `told`
    /// refusals are from before.
    private func expectRefusalAndRecovery(
        _ run: PipelineRun, told: Int = 0, cause: String, _ mend: () throws -> Void
    ) async throws {
        try await run.expect("a refusal is told") { refusals(run) > told }
        #expect(run.lines("Kafka rejects the connection").last?.contains(cause) == true, "\(run.log.suffix(2000))")
        try await run.expectLines(50)
        try await run.expect("lines wait") { try run.status().unacknowledged > 50 }
        try mend()
        let waiting = try run.status().lastSeq
        try await run.expect("what has waited is acknowledged") { try run.status().checkpoint >= waiting }
        #expect(try run.producer.exit == nil && run.pipeline.exit(of: .loader) == nil)
        #expect(run.x.connections.count == 1)
    }

    private func refusals(_ run: PipelineRun) -> Int { run.lines("Kafka rejects the connection").count }

    @Test func f51ABrokersCertificateThatHasEndedIsWaitedFor() async throws {
        let (authority, front) = (try CertificateAuthority(), try KafkaFront(PipelineRun.kafka.get().bootstrapServers))
        let tls = try TLSFrontend(authority, .valid, backend: front.port)
        defer { tls.stop() }
        front.advertisedPort = tls.port
        let properties = ["security.protocol": "SSL", "ssl.ca.location": authority.caFile]
        try await PipelineRun.with(properties: properties, servers: "127.0.0.1:\(tls.port)") { run in
            try await run.expect("acknowledged lines") { try run.status().checkpoint > 20 }
            let told = refusals(run)
            tls.kind = .expired
            front.cut()
            try await expectRefusalAndRecovery(run, told: told, cause: "certificate") { tls.kind = .valid }
            try await run.expectConserved()
        }
    }

    /// Certificates are read when a client is made; one that is replaced is noticed all the same.
    @Test func f51ACertificateThatIsReplacedOnTheDiskIsReadAgain() async throws {
        let folder = try TemporaryFolder()
        let (authority, front) = (try CertificateAuthority(), try KafkaFront(PipelineRun.kafka.get().bootstrapServers))
        let other = try CertificateAuthority()
        try folder.write(try readTextFile(other.caFile), to: "ca.pem")
        let tls = try TLSFrontend(authority, .valid, backend: front.port)
        defer { tls.stop() }
        front.advertisedPort = tls.port
        let properties = ["security.protocol": "SSL", "ssl.ca.location": folder.path + "/ca.pem"]
        try await PipelineRun.with(properties: properties, servers: "127.0.0.1:\(tls.port)") { run in
            try await expectRefusalAndRecovery(run, cause: "certificate") {
                try folder.write(try readTextFile(authority.caFile), to: "ca.pem")
            }
            try await run.expectConserved()
        }
    }

    private static func properties(_ mechanism: String, _ password: String) -> String {
        """
        security.protocol=SASL_PLAINTEXT
        sasl.mechanism=\(mechanism)
        sasl.username=tweets
        sasl.password=\(password)
        reconnect.backoff.max.ms=500
        """
    }

    /// A password is wrong at the start, and changed at the broker later; a file that is broken in between ends nothing.
    @Test(arguments: ["PLAIN", "SCRAM-SHA-512"])
    func f51APasswordInThePropertiesFileIsReadAgain(mechanism: String) async throws {
        let folder = try TemporaryFolder()
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        func expect(_ password: String) {
            front.credentials =
                mechanism == "PLAIN"
                ? .plain(user: "tweets", password: password) : .scram(user: "tweets", password: password)
        }
        func write(_ password: String) throws {
            try folder.write(Self.properties(mechanism, password), to: "kafka.properties")
        }
        expect("second")
        try write("first")
        let settings = ["KAFKA_PROPERTIES_FILE": folder.path + "/kafka.properties"]
        try await PipelineRun.with(settings, servers: front.servers) { run in
            try await expectRefusalAndRecovery(run, cause: "these credentials are not known") { try write("second") }
            let told = refusals(run)
            expect("third")
            front.cut()
            try await run.expect("a refusal") { refusals(run) > told }
            try folder.write("sasl.mechanism \(mechanism)\nsasl.password\n", to: "kafka.properties")
            try await run.expect("a report") { !run.lines("cannot create a Kafka client").isEmpty }
            try write("third")
            try await run.expectConserved()
            #expect(run.x.connections.count == 1)
            for password in ["first", "second", "third"] { #expect(!run.log.contains("=\(password)")) }
        }
    }

    /// Both services read the file while another program writes it, and find nothing in it.
    @Test func f51AFileThatIsReadWhileItIsWrittenIsReadAgain() async throws {
        let folder = try TemporaryFolder()
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        front.credentials = .plain(user: "tweets", password: "first")
        try folder.write(Self.properties("PLAIN", "first"), to: "kafka.properties")
        let settings = ["KAFKA_PROPERTIES_FILE": folder.path + "/kafka.properties"]
        try await PipelineRun.with(settings, servers: front.servers) { run in
            try await run.expect("lines are acknowledged") { try run.status().checkpoint > 20 }
            front.credentials = .plain(user: "tweets", password: "second")
            try folder.write("", to: "kafka.properties")
            front.cut()
            try await run.expect("both have read it") {
                [run.log, run.pipeline.log(of: .loader)].allSatisfy {
                    $0.contains("the files of the credentials have changed")
                }
            }
            let unsigned = front.unsigned
            try await run.expect("both are disconnected") { front.unsigned > unsigned + 10 }
            try folder.write(Self.properties("PLAIN", "second"), to: "kafka.properties")
            try await run.expectConserved()
            #expect(run.x.connections.count == 1)
        }
    }

    /// The file is not there, then has a token that has ended, then one that the broker does not know, then the right one.
    @Test func f51ATokenInAFileIsReadUntilOneIsAccepted() async throws {
        let folder = try TemporaryFolder()
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        let (ended, unknown) = (Self.token("tweets", life: -10), Self.token("somebody", life: 3600))
        let (good, next) = (Self.token("tweets", life: 3600), Self.token("tweets", life: 7200))
        front.credentials = .bearer(token: good)
        let settings = ["KAFKA_TOKEN_FILE": folder.path + "/token"]
        let properties = ["security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"]
        try await PipelineRun.with(settings, properties: properties, servers: front.servers) { run in
            try await run.expect("no file") { !run.lines("Kafka rejects", "No such file").isEmpty }
            try folder.write(ended, to: "token")
            try await run.expect("one that has ended") { !run.lines("Kafka rejects", "ended at").isEmpty }
            try folder.write(unknown, to: "token")
            try await run.expect("the broker's refusal") { front.refused > 0 }
            #expect(front.accepted == 0)
            try folder.write(good + "\n", to: "token")
            try await run.expect("lines are acknowledged") { try run.status().checkpoint > 50 }
            let refused = front.refused
            front.credentials = .bearer(token: next)
            front.cut()
            try await run.expect("a refusal") { front.refused > refused }
            try folder.write(next, to: "token")
            try await run.expectConserved()
            #expect(run.x.connections.count == 1)
            #expect(try run.producer.exit == nil && run.pipeline.exit(of: .loader) == nil)
            for token in [ended, unknown, good, next] { #expect(!run.log.contains(token)) }
        }
    }

    @Test func f51ATokenThatNothingUsesAndAMissingOneAreMistakes() async throws {
        @Sendable func start(_ settings: [String: String]) throws -> (ChildProcess.Exit, String) {
            try ChildProcess.run(
                ChildCommand(
                    service: .producer,
                    [
                        "run", "-X", "security.protocol=SASL_PLAINTEXT", "-X",
                        "sasl.mechanism=\(settings["mechanism"] ?? "")",
                    ],
                    settings: settings.merging(["X_BEARER_TOKEN": "none", "X_URL": "http://127.0.0.1:1"]) { $1 }))
        }
        let (unused, reason) = try await blocking { try start(["mechanism": "PLAIN", "KAFKA_TOKEN_FILE": "/nowhere"]) }
        #expect(unused == .status(78) && reason.contains("KAFKA_TOKEN_FILE"))
        let (missing, remedy) = try await blocking { try start(["mechanism": "OAUTHBEARER"]) }
        #expect(missing == .status(78) && remedy.contains("KAFKA_TOKEN_FILE"))
    }

    /// A JSON Web Token that ends so many seconds from now; nobody looks at its signature here.
    private static func token(_ subject: String, life: Int64) -> String {
        func part(_ text: String) -> String {
            Data(text.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
                .replacing("=", with: "")
        }
        let end = Timestamp.now().milliseconds / 1000 + life
        return part(#"{"alg":"none"}"#) + "." + part(#"{"sub":"\#(subject)","exp":\#(end)}"#) + ".c2lnbmF0dXJl"
    }
}
