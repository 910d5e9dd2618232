import Core

/// A service as a process of its own with a folder that is deleted after it.
struct BenchService {
    private let service: LocalPipeline.Service
    private let settings: [String: String]
    private let folder: SandboxFolder

    private init(
        _ service: LocalPipeline.Service, settings: (_ folder: String) -> [String: String]
    ) throws(Failure) {
        self.service = service
        folder = try SandboxFolder(user: nil)
        // As users run it, with all that is counted.
        self.settings = settings(folder.path).merging(["LISTEN": "127.0.0.1:\(try freePort())"]) { $1 }
    }

    /// The producer, reading from `server` into `journal`; nil for a folder that is deleted afterwards.
    static func producer(
        _ server: LineServer, kafka: String, topic: String, journal: String? = nil
    ) throws(Failure) -> BenchService {
        try BenchService(.producer) { folder in
            [
                "X_URL": server.url, "X_BEARER_TOKEN": "bench", "KAFKA_BOOTSTRAP_SERVERS": kafka, "KAFKA_TOPIC": topic,
                "JOURNAL_DIR": journal ?? "\(folder)/journal", "X_LOCK_DIR": folder,
            ]
        }
    }

    /// A loader in a group of its own: PostgreSQL says where it starts, and a dead member of an earlier run delays nobody.
    static func loader(
        _ kafka: BenchKafka, database: String, payload: String? = nil, writers: Int? = nil
    ) throws(Failure) -> BenchService {
        try BenchService(.loader) { _ in
            var settings = [
                "DATABASE_URL": database, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers, "KAFKA_TOPIC": kafka.topic,
                "KAFKA_GROUP": "bench-loader-\(UInt32.random(in: 0 ... .max))",
            ]
            settings["PAYLOAD"] = payload
            settings["WRITERS"] = writers.map(String.init)
            return settings
        }
    }

    /// Runs a subcommand to its end.
    ///
    /// - Throws: `Failure` with what it wrote, when it ends with another status than 0.
    func run(_ subcommand: String) throws(Failure) {
        let (exit, output) = try ChildProcess.run(try ChildCommand(service: service, [subcommand], settings: settings))
        guard exit == .status(0) else {
            throw Failure(.unavailable, "\(service.rawValue) \(subcommand): \(exit): \(output)")
        }
    }

    /// Runs `body` while the service runs.
    ///
    /// - Throws: what `body` throws, with the end of the service's log.
    func running<Result>(_ body: (ChildProcess) throws -> Result) throws -> Result {
        defer { folder.delete() }
        let log = "\(folder.path)/log"
        var command = try ChildCommand(service: service, ["run"], settings: settings)
        command.output = .file(log)
        let process = try ChildProcess(command)
        defer { process.kill() }
        do { return try body(process) } catch {
            let end = ((try? readTextFile(log)) ?? "").split(separator: "\n").suffix(10).joined(separator: "\n")
            throw Failure(.unavailable, "\(error)\nthe log of \(service.rawValue) ends:\n\(end)")
        }
    }
}
