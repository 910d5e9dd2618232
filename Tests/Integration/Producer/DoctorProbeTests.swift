import Core
import Foundation
import Harness
import KafkaClient
import Sandbox
import TestSupport
import Testing

@testable import ObjectStore
@testable import TweetProducer

/// What `tweet-producer doctor` learns from S3, and with `--probe` from Kafka and S3.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct DoctorProbeTests {
    private static let server = Result { try S3TestServer() }
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try Self.server.get().setFaults("[]")
    }

    private func doctor(_ change: (inout S3UploadOptions) -> Void = { _ in }) throws -> S3Doctor {
        var options = S3UploadOptions(location: try #require(S3Location("s3://\(S3TestServer.bucket)/raw")))
        change(&options)
        return S3Doctor(try Self.server.get().settings(), options)
    }

    /// What the server is asked meanwhile.
    private func requests(_ body: () throws -> Void) throws -> [S3TestServer.Request] {
        let before = try Self.server.get().requests().count
        try body()
        return Array(try Self.server.get().requests().dropFirst(before))
    }

    private func objects() throws -> [String] {
        var client = try S3Client(Self.server.get().settings(), bucket: S3TestServer.bucket, stop: Stop())
        return try client.list(prefix: "raw/.doctor").map(\.key)
    }

    // MARK: S3

    @Test func theBucketIsOnlyAsked() throws {
        var found: [DoctorFinding] = []
        let asked = try requests { found = try doctor().findings(now: .now()) }
        #expect(found == [.ok("s3", "the bucket of s3://tweets/raw answers")], "\(found)")
        #expect(asked.map(\.method) == ["HEAD"] && asked.allSatisfy { $0.mistake == nil }, "\(asked)")
    }

    /// HEAD has no words of its own; the listing has.
    @Test func aBucketThatIsMissingOrDenied() throws {
        let options = S3UploadOptions(location: try #require(S3Location("s3://missing/x")))
        let missing = S3Doctor(try Self.server.get().settings(), options).findings(now: .now())
        #expect(missing.map(\.status) == [.fail] && missing[0].detail.contains("Create the bucket"), "\(missing)")
        let denied = try S3Doctor(Self.server.get().settings(token: "ended"), options).findings(now: .now())
        #expect(denied.map(\.status) == [.warn] && denied[0].detail.contains("ExpiredToken"), "\(denied)")
        #expect(denied[0].remedy?.contains("s3:PutObject") == true)
    }

    @Test func anObjectIsUploadedVerifiedAndDeleted() throws {
        var found: DoctorFinding?
        let asked = try requests { found = try doctor { $0.storageClass = "STANDARD_IA" }.probe() }
        let done = DoctorFinding.ok(
            "s3 probe", "an object was uploaded, verified (S3 reports its SHA-256) and deleted")
        #expect(found == done, "\(found as Any)")
        #expect(asked.map(\.method) == ["PUT", "HEAD", "DELETE"] && asked.allSatisfy { $0.mistake == nil }, "\(asked)")
        // As archives are uploaded.
        #expect(asked[0].headers["x_amz_storage_class"] == "STANDARD_IA")
        #expect(asked[0].headers["x_amz_checksum_sha256"] != nil)
        #expect(try objects().isEmpty)
    }

    @Test func aStoreWithoutChecksumsIsReadBack() throws {
        try Self.server.get().setFaults(#"[{"method": "HEAD", "match": ".doctor", "hide": "x-amz-checksum-sha256"}]"#)
        let found = try doctor().probe()
        #expect(found.status == .ok && found.detail.contains("(it was read back"), "\(found)")
    }

    @Test func aRightToUploadThatIsMissing() throws {
        try Self.server.get().setFaults(
            #"[{"method": "PUT", "status": "403 Forbidden", "body": "<Error><Code>AccessDenied</Code></Error>"}]"#)
        let found = try doctor().probe()
        #expect(found.status == .fail && found.detail.contains("AccessDenied"), "\(found)")
        #expect(found.remedy?.hasPrefix("allow the keys s3:PutObject") == true)
        #expect(DoctorReport(service: "s", findings: [found]).failure?.disposition == .operator(.credentials))
    }

    @Test func aRightToVerifyThatIsMissing() throws {
        try Self.server.get().setFaults(#"[{"method": "HEAD", "match": ".doctor", "status": "403 Forbidden"}]"#)
        let found = try doctor().probe()
        #expect(found.status == .fail, "\(found)")
        #expect(found.remedy == "allow the keys s3:GetObject, with which an upload is verified", "\(found)")
        #expect(try objects().isEmpty)
    }

    @Test func aStoreThatKeepsDifferentBytes() throws {
        try Self.server.get().setFaults(#"[{"method": "PUT", "match": ".doctor", "damage": true}]"#)
        let found = try doctor().probe()
        #expect(found.status == .fail && found.detail.contains("differ"), "\(found)")
        #expect(try objects().isEmpty)
    }

    @Test func aRightToDeleteThatIsMissing() throws {
        try Self.server.get().setFaults(#"[{"method": "DELETE", "status": "403 Forbidden"}]"#)
        let found = try doctor().probe()
        let left = try objects()
        #expect(found.status == .warn && left.count == 1, "\(found)")
        #expect(found.remedy?.hasPrefix("delete s3://tweets/\(left[0]) by hand") == true, "\(found)")
        #expect(try doctor().probe().status == .ok)
    }

    // MARK: Kafka

    private func producerID(_ servers: String, _ patience: Duration = .seconds(30)) -> DoctorFinding {
        KafkaDoctor(KafkaConfiguration(bootstrapServers: servers), topics: [], createsTopics: true)
            .producerID(patience: patience)
    }

    /// 22 is InitProducerId, 31 CLUSTER_AUTHORIZATION_FAILED. A broker before Kafka 2.8 answers so without IdempotentWrite.
    @Test func theRightToAProducerIDThatIsMissing() throws {
        let kafka = try KafkaSandbox(topics: ["tweets": 1])
        #expect(producerID(kafka.bootstrapServers).status == .ok)
        kafka.fail(request: 22, with: [31])
        let denied = producerID(kafka.bootstrapServers)
        #expect(denied.status == .fail, "\(denied)")
        #expect(denied.remedy?.contains("IdempotentWrite on the cluster") == true)
        #expect(DoctorReport(service: "s", findings: [denied]).failure?.disposition == .operator(.credentials))
        kafka.setBroker(isUp: false)
        let silent = producerID(kafka.bootstrapServers, .milliseconds(500))
        #expect(silent.status == .fail && silent.detail.contains("no producer id within"), "\(silent)")
    }

    // MARK: The command

    private func command(
        _ arguments: [String], _ more: [String: String], under: [String] = []
    ) throws -> ProducerCommand {
        try folder.write("TEST-TOKEN\n", to: "token")
        _ = unsafe chmod(folder.path + "/token", 0o600)
        let environment = [
            "X_BEARER_TOKEN_FILE": folder.path + "/token", "JOURNAL_DIR": folder.path + "/journal",
            "X_URL": "http://127.0.0.1:1", "X_LOCK_DIR": folder.path, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        ]
        return try ProducerCommand(["doctor"] + arguments, environment.merging(more) { $1 }, under: under)
    }

    @Test func onlyProbeWrites() throws {
        let kafka = try KafkaSandbox(topics: ["tweets": 2, "tweets.events": 1])
        let more = try Self.server.get().environment().merging(
            ["KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers, "LISTEN": "off", "AWS_REGION": "us-east-1"]) { $1 }
        var read: ProducerCommand?
        let asked = try requests { read = try command([], more) }
        #expect(asked.allSatisfy { ["HEAD", "GET"].contains($0.method) } && !asked.isEmpty, "\(asked)")
        #expect(read?.output.contains("probe") == false && read?.output.contains("kafka producer") == false)
        let probed = try command(["--probe"], more)
        for text in ["ok      kafka producer", "ok      s3 probe", "fail    probe", "LISTEN is off"] {
            #expect(probed.output.contains(text), "\(text) in \(probed.output)\(probed.errors)")
        }
    }

    /// Debug builds and their libraries take 250 MB of it before anything happens.
    @Test(.disabled(if: isSanitized, "a sanitizer maps more than any limit"))
    func aLimitOfTheAddressSpace() throws {
        let found = try command(["--offline"], [:], under: ["/usr/bin/prlimit", "--as=\(380 << 20)"])
        #expect(found.status == 0 && found.output.contains("warn    memory"), "\(found.output)\(found.errors)")
        #expect(found.output.contains("may map only 380 MiB (RLIMIT_AS)"), "\(found.output)")
    }

    @Test func aSettingOfMallocInTheEnvironmentFile() throws {
        let file = "X_BEARER_TOKEN_FILE=\(folder.path)/token\nJOURNAL_DIR=\(folder.path)/j\nMALLOC_ARENA_MAX=8\n"
        try folder.write(file + "KAFKA_BOOTSTRAP_SERVERS=k:9092\n", to: "env")
        let found = try command(["--offline", "--env-file", folder.path + "/env"], [:])
        #expect(found.output.contains("MALLOC_ARENA_MAX=8 has no effect"), "\(found.output)\(found.errors)")
    }
}
