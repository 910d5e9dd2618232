import Core
import Foundation
import Glibc
import KafkaClient
import Logging
import Postgres
import Sandbox

/// The whole pipeline: both services as processes of their own, against the sandbox's X, Kafka and PostgreSQL.
final class PipelineUnderTest {
    let x: XSimulator
    let postgres: PostgresSandbox
    let folder: String
    /// Kafka's addresses: the broker of `TEST_KAFKA_BOOTSTRAP_SERVERS`, or a mock cluster in its own process.
    let servers: String
    let topic: String
    private let kafka: KafkaSandboxProcess?
    private let settings: [String: String]
    private(set) var producer: ChildProcess?
    private(set) var loader: ChildProcess?

    /// Starts the sandboxes and creates the schema; no service runs yet.
    ///
    /// - Parameters:
    ///   - configuration: how X behaves.
    ///   - partitions: of the tweets topic; the mock cluster keeps only about 5 MiB of each.
    ///   - settings: more settings of both services, by environment name.
    /// - Throws: `Failure` when a sandbox does not start.
    init(
        _ configuration: XSimulator.Configuration, partitions: Int = 12, settings: [String: String] = [:]
    ) async throws {
        self.settings = settings
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("pipeline-e2e-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        topic = "e2e-\(UInt32.random(in: 0 ... .max))"
        if let given = ProcessInfo.processInfo.environment["TEST_KAFKA_BOOTSTRAP_SERVERS"] {
            kafka = nil
            servers = given
            let maker = try KafkaProducer(
                KafkaConfiguration(bootstrapServers: given),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            for name in [topic, topic + ".events"] {
                _ = try maker.ensureTopic(NewTopic(name, partitions: partitions), timeout: .seconds(20))
            }
        } else {
            let started = try KafkaSandboxProcess(topics: [topic: partitions, topic + ".events": 1])
            kafka = started
            servers = started.bootstrapServers
        }
        postgres = try PostgresSandbox()
        x = XSimulator(configuration)
        try await x.start()
        try run("tweet-loader", ["migrate"])
    }

    /// Ends everything.
    func end() async {
        producer?.kill()
        loader?.kill()
        kafka?.stop()
        postgres.destroy()
        await x.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func command(_ name: String, _ arguments: [String]) throws -> ChildCommand {
        var command = ChildCommand(try siblingExecutable(name), arguments)
        command.environment = [
            "X_URL": x.url, "X_BEARER_TOKEN": x.bearerToken, "X_BACKOFF_SCALE": "0.05", "X_CONNECT_BUDGET": "100000",
            "KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_TOPIC": topic, "KAFKA_GROUP": "loader-\(topic)",
            "DATABASE_URL": postgres.url(), "JOURNAL_DIR": folder + "/journal", "LOG_FORMAT": "text",
            "X_LOCK_DIR": folder,
            "TWEET_PIPELINE_CONFIG": nil, "KAFKA_PROPERTIES_FILE": nil,
        ].merging(settings) { $1 }
        return command
    }

    /// Runs a command to its end and returns what it wrote.
    ///
    /// - Throws: `Failure` with the output when it does not exit with `status`.
    @discardableResult
    func run(_ name: String, _ arguments: [String], status: Int32 = 0) throws -> String {
        let (exit, output) = try ChildProcess.run(command(name, arguments))
        guard exit == .status(status) else {
            throw Failure(.unavailable, "\(name) \(arguments.joined(separator: " ")): \(exit): \(output)")
        }
        return output
    }

    /// Starts a command; what it writes on standard output is to be read.
    func launch(_ name: String, _ arguments: [String]) throws -> ChildProcess {
        var command = try command(name, arguments)
        command.output = .pipe
        command.errors = .file(folder + "/errors.log")
        return try ChildProcess(command)
    }

    /// Starts the producer.
    ///
    /// - Parameter settings: for this run only, by environment name.
    /// - Throws: `Failure` when it cannot be started.
    func startProducer(_ settings: [String: String] = [:]) throws {
        var command = try command("tweet-producer", ["run"])
        command.environment.merge(settings) { $1 }
        command.output = .file(folder + "/producer.log")
        producer = try ChildProcess(command)
    }

    /// Starts the loader; a short session lets the group notice soon that its predecessor was killed.
    func startLoader() throws {
        // Kafka allows no less than 6 s (group.min.session.timeout.ms); the mock needs more than its 3 s for a new group.
        let session = kafka == nil ? 6000 : 4000
        var command = try command(
            "tweet-loader", ["run", "-X", "session.timeout.ms=\(session)", "-X", "heartbeat.interval.ms=400"])
        command.output = .file(folder + "/loader.log")
        loader = try ChildProcess(command)
    }

    /// What a service has logged so far.
    func log(_ name: String) -> String {
        (try? String(contentsOfFile: "\(folder)/\(name).log", encoding: .utf8)) ?? ""
    }

    /// What a query answers, row by row.
    func rows(_ sql: String, _ parameters: [String?] = []) throws -> [[String?]] {
        let connection = try PostgresConnection.connect(try PostgresConninfo(postgres.url()))
        return try connection.query(sql, parameters, doing: "look").rows
    }

    /// The one value that a query answers.
    func value(_ sql: String, _ parameters: [String?] = []) throws -> String {
        try rows(sql, parameters).first?.first.flatMap { $0 } ?? ""
    }

    func storedIDs() throws -> Set<Int64> {
        Set(try rows("SELECT id FROM tweets WHERE matched").compactMap { row in row[0].flatMap { Int64($0) } })
    }

    /// The ids of all tweets that X has issued so far.
    var issuedIDs: Set<Int64> {
        Set((0..<x.issuedCount).compactMap { x.id(ofLine: $0) })
    }

    /// Waits until `condition` holds; false when it does not in time.
    func wait(_ patience: Duration = .seconds(90), until condition: () throws -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            let begin = ContinuousClock.now
            if (try? condition()) == true { return true }
            // Who looks all the time takes the machine from what is waited for.
            try await Task.sleep(for: max(.milliseconds(50), begin.duration(to: .now)))
        }
        return try condition()
    }
}
