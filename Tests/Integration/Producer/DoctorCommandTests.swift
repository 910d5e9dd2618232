import Core
import Digests
import Foundation
import Harness
import Journal
import Sandbox
import TestSupport
import Testing

@testable import TweetProducer

/// `tweet-producer doctor` as a process.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct DoctorCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("TEST-TOKEN\n", to: "token")
        _ = unsafe chmod(folder.path + "/token", 0o600)
    }

    private func environment(_ more: [String: String]) -> [String: String] {
        [
            "X_BEARER_TOKEN_FILE": folder.path + "/token", "JOURNAL_DIR": folder.path + "/journal",
            "X_URL": "http://127.0.0.1:1", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "X_LOCK_DIR": folder.path,
        ].merging(more) { $1 }
    }

    private func doctor(_ arguments: [String], _ more: [String: String] = [:]) throws -> ProducerCommand {
        let outcome = try ProducerCommand(["doctor"] + arguments, environment(more))
        #expect(!(outcome.output + outcome.errors).contains("TEST-TOKEN"))
        return outcome
    }

    private func expect(_ outcome: ProducerCommand, _ status: Int32, _ texts: String...) {
        #expect(outcome.status == status, "\(outcome.output)\(outcome.errors)")
        for text in texts { #expect(outcome.output.contains(text), "\(text) in \(outcome.output)") }
    }

    /// An X with a rule, whose cap is far.
    private static func healthyX(used: Int = 10) throws -> ScriptedServer {
        try ScriptedServer { connection in
            let isUsage = connection.head.contains("/2/usage/tweets")
            let usage = #"{"data":{"project_cap":"1000","project_usage":"\#(used)","cap_reset_day":1}}"#
            connection.answer(200, isUsage ? usage : #"{"data":[{"id":"1","value":"cat"}]}"#, type: "application/json")
        }
    }

    @Test func aCapThatIsReachedAndABucketThatIsMissing() throws {
        let server = try Self.healthyX(used: 2000)
        defer { server.close() }
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        let bucket = try ScriptedServer { $0.answer(404, "<Error><Code>NoSuchBucket</Code></Error>") }
        defer { bucket.close() }
        let outcome = try doctor(
            [],
            [
                "X_URL": server.url, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers,
                "ARCHIVE_S3_URL": "s3://missing/x", "AWS_ENDPOINT_URL_S3": bucket.url, "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
            ])
        expect(outcome, 69, "X counts 2000 posts of 1000: at this rate", "fail    s3", "Create the bucket")
    }

    @Test func aHealthySetUpFindsNothing() throws {
        let server = try Self.healthyX()
        defer { server.close() }
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        let outcome = try doctor(
            ["--json"], ["X_URL": server.url, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers])
        struct Answer: Decodable {
            struct Finding: Decodable {
                let name: String
                let status: String
            }
            let findings: [Finding]
        }
        let findings = try JSONDecoder().decode(Answer.self, from: Data(outcome.output.utf8)).findings
        #expect(outcome.status == 0 && findings.count >= 16, "\(outcome.output)")
        let names = Set(findings.map(\.name))
        #expect(names.isSuperset(of: ["rules", "x addresses", "mount", "memory", "malloc"]), "\(outcome.output)")
        // How full and how fast the disk of the test is, is not known; only in memory or in a container's layer its mount is odd.
        let kind = FolderDoctor.fileSystem(of: folder.path, try readTextFile("/proc/self/mountinfo"))
        let unknown = ["room", "fsync"] + (["tmpfs", "overlay"].contains(kind) ? ["mount"] : [])
        #expect(
            findings.filter { !unknown.contains($0.name) }.allSatisfy { $0.status == "ok" },
            "\(outcome.output)")
    }

    @Test func offlineItAsksNobody() throws {
        expect(try doctor(["--offline"]), 0, "settings", "journal", "fsync", "money")
        #expect(try !doctor(["--offline"]).output.contains("kafka 127.0.0.1"))
    }

    @Test func eachFailureHasItsStatus() throws {
        let server = try ScriptedServer { $0.answer(401, "{}") }
        defer { server.close() }
        expect(try doctor([], ["X_URL": server.url]), 77, "fail    x ")
        expect(try doctor(["--offline"], ["BATCH_SIZE": "0"]), 78, "fail    settings")
        try folder.write("", to: "file")
        expect(try doctor(["--offline"], ["JOURNAL_DIR": folder.path + "/file/x"]), 74, "fail    journal")
    }

    @Test func aKafkaThatIsUnreachableOrReportsSettingsThatLoseLines() throws {
        let server = try ScriptedServer { $0.answer(200, #"{"data":[]}"#) }
        defer { server.close() }
        expect(try doctor([], ["X_URL": server.url]), 69, "fail    kafka ", "127.0.0.1 port 1: Connection refused")
        expect(try doctor([]), 69, "fail    x ", "fail    x addresses", "not 127.0.0.1 port 1 (Connection refused)")
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        let front = try KafkaFront(kafka.bootstrapServers)
        front.topicSettings = ["cleanup.policy": "delete", "max.message.bytes": "1000000", "retention.ms": "3600000"]
        expect(
            try doctor([], ["X_URL": server.url, "KAFKA_BOOTSTRAP_SERVERS": front.servers]), 0,
            "retention.ms is 60 min",
            "max.message.bytes is 1000000")
    }

    @Test func aTopicThatIsMissingOrDenied() throws {
        let server = try Self.healthyX()
        defer { server.close() }
        let kafka = try KafkaSandbox(topics: ["tweets.events": 1])
        let missing = try doctor([], ["X_URL": server.url, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers])
        expect(missing, 0, "warn    topic tweets  ", "the service creates it")
        let front = try KafkaFront(kafka.bootstrapServers)
        front.deniedTopics = ["tweets.events"]
        let denied = try doctor([], ["X_URL": server.url, "KAFKA_BOOTSTRAP_SERVERS": front.servers])
        expect(denied, 0, "warn    topic tweets.events", "ACLs: Describe and Write on the topic")
        // To look creates none.
        #expect(front.creatingRequests == 0)
    }

    @Test func brokersThatOnlyTheClusterNames() throws {
        let server = try Self.healthyX()
        defer { server.close() }
        let kafka = try KafkaSandbox(brokers: 2, topics: ["tweets": 2, "tweets.events": 1])
        let first = kafka.bootstrapServers.split(separator: ",").first.map { String($0) } ?? ""
        let outcome = try doctor([], ["X_URL": server.url, "KAFKA_BOOTSTRAP_SERVERS": first])
        expect(outcome, 0, "ok      brokers ", "1 of 1 beside KAFKA_BOOTSTRAP_SERVERS accept connections")
    }

    @Test func certificatesThatEndSoon() throws {
        let x = try Self.healthyX()
        defer { x.close() }
        let authority = try CertificateAuthority()
        let port = try #require(Int(x.url.split(separator: ":").last ?? ""))
        let front = try TLSFrontend(authority, .valid, backend: port)
        defer { front.stop() }
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        let outcome = try doctor(
            [],
            [
                "X_URL": "https://localhost:\(front.port)", "X_CA_FILE": authority.caFile,
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers, "LOG_HTTP_URL": "https://localhost:\(front.port)/",
                "LOG_HTTP_CA_FILE": authority.caFile,
            ])
        expect(outcome, 0, "warn    x certificate", "ends in 1 days", "warn    logs")
        // Of Kafka the certificate is looked at before the client fails.
        let now = Timestamp.now()
        let found = ServerDoctor.kafka(
            "localhost:\(front.port)", hasTLS: true, clientCertificate: authority.caFile, now: now)
        #expect(found.map(\.status) == [.warn, .warn], "\(found)")
        front.kind = .expired
        let ended = ServerDoctor.kafka("SSL://localhost:\(front.port)", hasTLS: true, clientCertificate: nil, now: now)
        #expect(ended.map(\.status) == [.fail], "\(ended)")
        // Neither speaks TLS.
        let plain = ServerDoctor.kafka(
            "\(kafka.bootstrapServers),127.0.0.1:1", hasTLS: false, clientCertificate: nil, now: now)
        #expect(plain.map(\.status) == [.ok, .warn], "\(plain)")
        let without = ServerDoctor.kafka(kafka.bootstrapServers, hasTLS: true, clientCertificate: nil, now: now)
        #expect(without.map(\.status) == [.fail], "\(without)")
    }

    @Test func aReceiverOfTheLogThatIsUnreachable() throws {
        let server = try Self.healthyX()
        defer { server.close() }
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        try folder.write("t", to: "log-token")
        _ = unsafe chmod(folder.path + "/log-token", 0o604)
        let settings = [
            "X_URL": server.url, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers,
            "LOG_HTTP_TOKEN_FILE": folder.path + "/log-token", "LOG_HTTP_RETRY_TIME": "1s",
        ]
        let unreachable = try doctor([], settings.merging(["LOG_HTTP_URL": "http://127.0.0.1:1/logs"]) { $1 })
        expect(unreachable, 0, "warn    logs", "cannot be connected to", "log-token has mode 0604")
        let reachable = try doctor([], settings.merging(["LOG_HTTP_URL": server.url + "/logs"]) { $1 })
        expect(reachable, 0, "ok      logs", "the receiver accepts connections")
    }

    @Test func aJournalThatIsOlderThanItsCheckpoint() throws {
        let journal = try Journal.open(folder: folder.path + "/journal", stream: "default")
        try journal.append("{}")
        try journal.sync()
        expect(try doctor(["--offline"]), 0, "ok      lines", ", written by pid \(getpid()) since ")
        journal.close()
        expect(try doctor(["--offline"]), 0, "ok      lines", "1, 1 of them not in Kafka")
        let identity = try JournalStatus(folder: folder.path + "/journal", stream: "default", quota: nil).journal
        try Checkpoint(journal: identity, acknowledged: 9).write(to: folder.path + "/journal/default")
        expect(try doctor(["--offline"]), 0, "warn    lines", "Kafka has acknowledged line 9")
        expect(try doctor(["--offline"], ["X_LOCK_DIR": folder.path + "/none"]), 0, "warn    locks")
    }

    @Test("an environment file is judged as systemd reads it, and nothing else is taken from the environment")
    func anEnvironmentFile() throws {
        try folder.write(
            "X_BEARER_TOKEN_FILE=\(folder.path)/token\nJOURNAL_DIR=\(folder.path)/journal # here\n"
                + "KAFKA_BOOTSTRAP_SERVERS=k:9092\n", to: "env")
        let outcome = try doctor(["--offline", "--env-file", folder.path + "/env"], ["BATCH_SIZE": "0"])
        expect(outcome, 78, "env:2: `# here` belongs to the value of JOURNAL_DIR")
        #expect(!outcome.output.contains("BATCH_SIZE"))
        #expect(try doctor(["--env-file", folder.path + "/none"]).status == 78)
    }
}
