import Core
import Foundation
import Harness
import ObjectStore
import Sandbox
import TestSupport
import Testing

/// A password with every special character, in every place that can hold one, against peers that refuse or fail: nothing of
/// it may be seen in any output, journal, topic or table.
@Suite(.timeLimit(.minutes(15))) struct CanaryTests {
    static let specials = [
        "", "@", ":", "/", "?", "#", "%", "&", "=", "+", "\"", "'", "\\", " ", "é", "\n", ";", "$", ",",
    ]

    /// Two halves around the character: neither may be seen.
    private static func canary(_ special: String) -> String { "C4nary\(special)S3cret" }

    private func expectNoLeak(_ text: String, _ place: String, at location: SourceLocation = #_sourceLocation) {
        let lines = text.split(separator: "\n").filter { line in
            let lower = line.lowercased()
            return lower.contains("c4nary") || lower.contains("s3cret")
        }
        #expect(lines.isEmpty, "\(place): \(lines.prefix(3))", sourceLocation: location)
    }

    private func percentEncoded(_ text: String) -> String {
        text.utf8.map { "%" + String(Int($0) + 0x100, radix: 16, uppercase: true).dropFirst() }.joined()
    }

    // MARK: Commands that end by themselves

    /// One command, its environment and the files it reads; each alone, as the first error must not hide the others.
    private struct Case {
        let service: LocalPipeline.Service
        let arguments: [String]
        let settings: [String: String]
    }

    @Test(arguments: specials)
    func noCommandShowsASecret(special: String) async throws {
        let folder = try TemporaryFolder()
        let password = Self.canary(special)
        let cases = try producerCases(password, folder) + loaderCases(password, folder)
        let base = ["HOME": folder.path, "X_CONNECT_TIMEOUT": "2s", "LOG_LEVEL": "debug", "X_LOCK_DIR": folder.path]
        // One after the other: the cases of other characters run beside them.
        for item in cases {
            let settings = base.merging(item.settings) { $1 }
            let command = try ChildCommand(service: item.service, item.arguments, settings: settings)
            let (exit, output) = try await blocking { try ChildProcess.run(command) }
            expectNoLeak(output, "\(special) \(item.arguments) \(item.settings.keys.sorted())")
            #expect(exit != .status(0), "\(item.arguments) \(item.settings)")
        }
    }

    private func producerCases(_ password: String, _ folder: TemporaryFolder) throws -> [Case] {
        let environments = try producerEnvironments(password, folder)
        let usage = environments.map { Case(service: .producer, arguments: ["usage"], settings: $0) }
        let s3 = [
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B",
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        ]
        let s3Changes = [
            ["AWS_SECRET_ACCESS_KEY": password], ["AWS_SESSION_TOKEN": password],
            ["http_proxy": "http://c:\(password)@127.0.0.1:1"],
            ["AWS_ACCESS_KEY_ID": "", "AWS_SHARED_CREDENTIALS_FILE": folder.path + "/aws"],
            ["AWS_ENDPOINT_URL_S3": "http://u:\(password)@127.0.0.1:1"],
            ["http_proxy": "http://c:\(percentEncoded(password))@127.0.0.1:1"],
        ]
        let replay = s3Changes.map { change in
            Case(service: .producer, arguments: ["replay", "s3://bucket/x"], settings: s3.merging(change) { $1 })
        }
        // The invalid number makes it end with 78, as every case here must fail.
        let config = environments.map { change in
            Case(
                service: .producer, arguments: ["config", "show", "--batch-size", "0"],
                settings: s3.merging(change) { $1 })
        }
        return usage + replay + config
    }

    /// What reads X, with the password in every place that can hold one; writes the files that they name.
    private func producerEnvironments(_ password: String, _ folder: TemporaryFolder) throws -> [[String: String]] {
        let x = ["X_URL": "http://127.0.0.1:1", "X_BEARER_TOKEN": "t"]
        let encoded = percentEncoded(password)
        try folder.write(password + "\n", to: "token")
        try folder.write("x_bearer_token: \(password)\nx_urls: http://u:\(password)@h\n", to: "settings.yaml")
        try folder.write("[default]\naws_access_key_id = A\naws_secret_access_key = \(password)\n", to: "aws")
        var environments: [[String: String]] = [
            x.merging(["X_BEARER_TOKEN": password]) { $1 },
            ["X_URL": "http://127.0.0.1:1", "X_BEARER_TOKEN_FILE": folder.path + "/token"],
            x.merging(["X_URL": "http://u:\(password)@127.0.0.1:1"]) { $1 },
            x.merging(["X_URL": "http//u:\(password)@127.0.0.1:1"]) { $1 },
            ["TWEET_PIPELINE_CONFIG": folder.path + "/settings.yaml"],
        ]
        for name in ["http_proxy", "all_proxy", "ALL_PROXY"] {
            for text in [password, encoded] {
                environments.append(x.merging([name: "http://corp:\(text)@127.0.0.1:1"]) { $1 })
            }
        }
        environments.append(
            [
                "X_URL": "https://127.0.0.1:1", "X_BEARER_TOKEN": "t",
                "https_proxy": "htpp://corp:\(password)@127.0.0.1:1",
            ])
        return environments
    }

    private func loaderCases(_ password: String, _ folder: TemporaryFolder) throws -> [Case] {
        let encoded = percentEncoded(password)
        try folder.write("127.0.0.1:1:d:u:\(password)\n", to: "pgpass")
        try folder.write("[s]\nhost=127.0.0.1\nport=1\npassword=\(password)\nhots=\(password)\n", to: "service")
        unsafe chmod(folder.path + "/pgpass", 0o600)
        let quoted = password.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
        let here: [String: String] = ["PGHOST": "127.0.0.1", "PGPORT": "1", "PGUSER": "u", "PGDATABASE": "d"]
        let environments: [[String: String]] = [
            ["DATABASE_URL": "postgresql://u:\(password)@127.0.0.1:1/d"],
            ["DATABASE_URL": "postgresql://u:\(encoded)@127.0.0.1:1/d"],
            ["DATABASE_URL": "\"postgresql://u:\(password)@127.0.0.1:1/d\""],
            ["DATABASE_URL": "host=127.0.0.1 port=1 password=\(password)"],
            ["DATABASE_URL": "host=127.0.0.1 port=1 password='\(quoted)'"],
            ["DATABASE_URL": "postgresql://u@127.0.0.1:1/d?password=\(password)&schema=public"],
            ["DATABASE_URL": "mysql://u:\(password)@127.0.0.1:1/d"],
            here.merging(["PGPASSWORD": password]) { $1 },
            here.merging(["PGPASSFILE": folder.path + "/pgpass"]) { $1 },
            ["PGSERVICE": "s", "PGSERVICEFILE": folder.path + "/service", "PGUSER": "u"],
        ]
        let commands = [["retention", "--keep", "12months"], ["config", "show", "--json", "--max-rows", "0"]]
        return environments.flatMap { settings in
            commands.map { Case(service: .loader, arguments: $0, settings: settings) }
        }
    }

    // MARK: Services

    /// X cannot be reached through the proxy, Kafka and PostgreSQL can: what libcurl says goes everywhere.
    @Test func noSecretReachesJournalTopicsAndTables() async throws {
        let password = percentEncoded(Self.canary("@:/é "))
        let proxy = "http://C4naryUser:\(password)@127.0.0.1:1"
        try await PipelineRun.with(
            ["http_proxy": proxy, "X_BEARER_TOKEN": Self.canary("%"), "LOG_LEVEL": "trace"], losesWhileAway: true
        ) {
            run in
            try await run.expect(
                "SELECT count(*) > 0 FROM stream_events WHERE type = 'connect_failed' AND detail IS NOT NULL", ["t"])
            let consumed = try await blocking {
                try ChildProcess.run(
                    ChildCommand(
                        "/usr/bin/kcat",
                        ["-C", "-e", "-q", "-b", run.pipeline.bootstrapServers, "-t", run.pipeline.topic + ".events"]))
            }
            #expect(consumed.output.contains("connect_failed"))
            expectNoLeak(consumed.output, "topic")
            expectNoLeak(run.log, "producer's log")
            expectNoLeak(run.pipeline.log(of: .loader), "loader's log")
            expectNoLeak(try everyFile(below: run.pipeline.journalFolder), "journal")
            for table in ["stream_events", "stream_gaps", "rejects"] {
                expectNoLeak(try await run.query("SELECT t::text FROM \(table) t"), table)
            }
        }
    }

    private func everyFile(below folder: String) throws -> String {
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
        let files = names.compactMap { FileManager.default.contents(atPath: folder + "/" + $0) }
        #expect(!files.isEmpty)
        return files.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
    }

    private static func properties(_ password: String) -> String {
        """
        bootstrap.servers=127.0.0.1:1
        security.protocol=SASL_PLAINTEXT
        sasl.mechanism=PLAIN
        sasl.username=u
        sasl.password=\(password)
        ssl.key.password=\(password)
        debug=all
        """
    }

    /// Runs a producer until it has logged an error of X or Kafka; returns its log.
    private func untilKafkaFails(_ command: ChildCommand, log: String) async throws -> String {
        let process = try ChildProcess(command)
        let failures = ["connect_failed", "connection failed", "Kafka is", "Kafka rejects"]
        _ = try await holds(within: .seconds(60)) {
            let text = (try? readTextFile(log)) ?? ""
            return process.exit != nil || failures.contains { text.contains($0) }
        }
        _ = try await blocking { process.terminate() }
        let text = String(decoding: FileManager.default.contents(atPath: log) ?? Data(), as: UTF8.self)
        #expect(!text.isEmpty)
        return text
    }

    /// What librdkafka says about servers, passwords, keys and tokens, at its most talkative.
    @Test(arguments: ["", "@", "/", "\\\\", "\"", "%", " x", "é", "=", "#"])
    func noServiceShowsASecretOfKafka(special: String) async throws {
        let folder = try TemporaryFolder()
        let password = Self.canary(special)
        try folder.write(password, to: "token")
        try folder.write(Self.properties(password), to: "kafka.properties")
        let base = [
            "X_URL": "http://127.0.0.1:1", "X_BEARER_TOKEN": "t", "LOG_LEVEL": "trace", "DRAIN": "100ms",
            "JOURNAL_DIR": folder.path + "/journal", "X_LOCK_DIR": folder.path, "HOME": folder.path,
        ]
        let changes: [[String: String]] = [
            ["KAFKA_PROPERTIES_FILE": folder.path + "/kafka.properties"],
            ["KAFKA_BOOTSTRAP_SERVERS": "SASL_SSL://u:\(password)@127.0.0.1:1"],
            ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_TOKEN_FILE": folder.path + "/token"],
        ]
        for (index, change) in changes.enumerated() {
            let more = index == 2 ? ["-X", "sasl.mechanism=OAUTHBEARER", "-X", "security.protocol=SASL_PLAINTEXT"] : []
            var command = try ChildCommand(
                service: .producer, ["run"] + more, settings: base.merging(change) { $1 })
            let log = folder.path + "/log\(index)"
            command.output = .file(log)
            expectNoLeak(try await untilKafkaFails(command, log: log), "\(special) \(change.keys.sorted())")
            if FileManager.default.fileExists(atPath: folder.path + "/journal") {
                expectNoLeak(try everyFile(below: folder.path + "/journal"), "journal")
            }
        }
    }
}
