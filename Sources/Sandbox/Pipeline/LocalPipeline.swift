import Core
import FoundationEssentials
import Glibc
import Synchronization

/// The whole pipeline on this machine: simulator, Kafka, PostgreSQL, and both services as processes that can be killed.
///
/// For the demo and for end-to-end tests. Calls block, but for those that say `async`.
package final class LocalPipeline: Sendable {
    package enum Service: String, Sendable, CaseIterable {
        case producer = "tweet-producer"
        case loader = "tweet-loader"
        /// A second producer, of a sample stream.
        case sample = "tweet-producer-sample"

        /// The program's name.
        package var executable: String { self == .sample ? Service.producer.rawValue : rawValue }

        /// Settings of its own, by environment name.
        var settings: [String: String] {
            self == .sample ? ["STREAM_NAME": "sample", "X_STREAM": "sample", "X_PLAN": "enterprise"] : [:]
        }
    }

    package let simulator: XSimulator
    package let postgres: PostgresSandbox
    /// Nil when another broker is used.
    package let kafka: KafkaSandboxProcess?
    package let bootstrapServers: String
    package let topic: String
    /// The database's name in `postgres`.
    package let database: String
    private let ownsPostgres: Bool
    private let folder: SandboxFolder
    private let settings: [String: String]
    private let services = Mutex<[Service: ChildProcess]>([:])

    /// Starts Kafka and PostgreSQL and creates the tables; the simulator is to be started by `start()`.
    ///
    /// - Parameters:
    ///   - simulator: what X does.
    ///   - bootstrapServers: another broker than one of our own; a topic of our own is then used there.
    ///   - shared: another cluster than one of our own; a database of our own is then made there.
    ///   - template: a database there with the tables, which is copied instead of creating them.
    ///   - settings: more settings of the services, by environment name.
    /// - Throws: `Failure` with what could not be started.
    package init(
        _ simulator: XSimulator.Configuration, bootstrapServers: String? = nil, postgres shared: PostgresSandbox? = nil,
        template: String? = nil, settings: [String: String] = [:]
    ) throws(Failure) {
        self.simulator = XSimulator(simulator)
        self.settings = settings
        topic = bootstrapServers == nil ? "tweets" : "tweets-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        kafka = bootstrapServers == nil ? try KafkaSandboxProcess() : nil
        self.bootstrapServers = bootstrapServers ?? kafka?.bootstrapServers ?? ""
        ownsPostgres = shared == nil
        if let shared { postgres = shared } else { postgres = try PostgresSandbox() }
        database = shared == nil ? "tweets" : topic
        if let shared { _ = try shared.createDatabase(topic, template: template) }
        folder = try SandboxFolder(user: nil)
        if shared == nil || template == nil { try run(.loader, ["migrate"]) }
    }

    deinit {
        stop()
    }

    /// Starts the simulator.
    package func start() async throws {
        try await simulator.start()
    }

    /// Ends everything at once and deletes it. The simulator's record stays.
    package func stop() {
        for service in Service.allCases { kill(service) }
        kafka?.stop()
        if ownsPostgres { postgres.destroy() }
        folder.delete()
    }

    /// The producer's journal folder.
    package var journalFolder: String { "\(folder.path)/journal" }

    /// A file of rules for the services, which nobody has made yet.
    package var rulesFile: String { "\(folder.path)/rules.yaml" }

    /// A folder for streams under a supervisor, which nobody has made yet.
    var streamsFolder: String { "\(folder.path)/streams" }

    /// A folder for pollers of timelines, which nobody has made yet.
    var timelinesFolder: String { "\(folder.path)/timelines" }

    /// Runs a subcommand of a service to its end.
    ///
    /// - Returns: what it wrote.
    /// - Throws: `Failure` with that, when it ends with another status than 0.
    @discardableResult
    package func run(_ service: Service, _ arguments: [String]) throws(Failure) -> String {
        let (exit, output) = try ChildProcess.run(try command(service, arguments))
        guard exit == .status(0) else {
            throw Failure(.unavailable, "\(service.rawValue) \(arguments.joined(separator: " ")): \(exit): \(output)")
        }
        return output
    }

    /// Starts a service; its log goes to `log(of:)`.
    ///
    /// - Parameters:
    ///   - service: which.
    ///   - runner: a program and its arguments that is to become the service, such as `strace -D`; found in PATH.
    ///   - more: settings of this start alone, by environment name; nil takes one away.
    /// - Throws: `Failure` (unavailable) when the executable cannot be started.
    package func start(
        _ service: Service, under runner: [String] = [], settings more: [String: String?] = [:]
    ) throws(Failure) {
        // Kafka must not keep a killed loader's partitions for the usual 45 s.
        let properties = ["-X", "session.timeout.ms=3000", "-X", "heartbeat.interval.ms=500"]
        var command = try command(service, ["run"] + (service == .loader ? properties : []))
        if !runner.isEmpty {
            command.arguments = runner + [command.executable] + command.arguments
            command.executable = "/usr/bin/env"
        }
        command.environment.merge(more) { $1 }
        command.output = .file(logPath(service))
        let process = try ChildProcess(command)
        services.withLock { $0[service] = process }
    }

    /// Kills a service by SIGKILL.
    package func kill(_ service: Service) {
        services.withLock { $0.removeValue(forKey: service) }?.kill()
    }

    /// Ends a service by SIGTERM; nil when it did not run.
    @discardableResult
    package func end(_ service: Service) -> ChildProcess.Exit? {
        services.withLock { $0.removeValue(forKey: service) }?.terminate(grace: .seconds(35))
    }

    /// A service's process; nil when it was not started.
    package func process(of service: Service) -> ChildProcess? {
        services.withLock { $0[service] }
    }

    /// How a service ended by itself; nil while it runs.
    package func exit(of service: Service) -> ChildProcess.Exit? {
        services.withLock { $0[service]?.exit }
    }

    /// What a service has logged, restarts included.
    package func log(of service: Service) -> String {
        (try? readTextFile(logPath(service))) ?? ""
    }

    private func logPath(_ service: Service) -> String {
        "\(folder.path)/\(service.rawValue).log"
    }

    /// The settings that the services and a user's tools need, by environment name.
    package var environment: [String: String] {
        [
            "X_URL": simulator.url, "X_BEARER_TOKEN": simulator.bearerToken,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrapServers, "KAFKA_TOPIC": topic, "KAFKA_GROUP": topic + "-loader",
            "LOADER_GROUP": topic + "-loader",
            "DATABASE_URL": postgres.url(database: database), "JOURNAL_DIR": journalFolder,
            "X_LOCK_DIR": folder.path,
        ].merging(settings) { $1 }
    }

    private func command(_ service: Service, _ arguments: [String]) throws(Failure) -> ChildCommand {
        try ChildCommand(service: service, arguments, settings: environment.merging(service.settings) { $1 })
    }
}

extension ChildCommand {
    /// One of our services with these settings, by environment name, and no others.
    package init(
        service: LocalPipeline.Service, _ arguments: [String], settings: [String: String]
    ) throws(Failure) {
        self.init(try siblingExecutable(service.executable), arguments)
        removeSettings()
        // Several services run at once on one host: only who wants to ask one gives it an address.
        environment["LISTEN"] = "off"
        // Who counts lines knows which there are.
        environment["HEARTBEAT"] = "off"
        for (name, value) in settings { environment[name] = value }
    }

    /// Takes settings of the services out of the environment: what a developer has exported for other purposes must not lead
    /// them elsewhere.
    mutating func removeSettings() {
        for name in ProcessInfo.processInfo.environment.keys where Self.isOurs(name) {
            environment.updateValue(nil, forKey: name)
        }
    }

    private static func isOurs(_ name: String) -> Bool {
        let prefixes = ["X_", "TIMELINE_", "KAFKA_", "JOURNAL_", "BATCH_", "MAX_", "PG", "LOG_", "TWEET_PIPELINE_"]
        return prefixes.contains { name.hasPrefix($0) }
            || ["DATABASE_URL", "STREAM_NAME", "PAYLOAD", "DRAIN", "LISTEN", "STATUS_TOKEN_FILE", "HEARTBEAT"]
                .contains(name)
    }
}
