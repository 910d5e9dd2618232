import Core
import FoundationEssentials

/// Two streams under a supervisord of the demo's own: its filtered stream and its sample, declared in a `streams.yaml`.
///
/// They have the names and the journals of the demo's producers, which go on where these end.
final class SupervisedStreams: Sendable {
    static let program = "/usr/bin/supervisord"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    private let pipeline: LocalPipeline
    private let folder: String
    private let supervisord: ChildProcess

    private static let names = ["default", "sample"]
    private static let patience = Duration.seconds(30)

    /// Writes the files and starts supervisord, which runs nothing yet.
    ///
    /// - Parameter pipeline: whose simulator and Kafka the streams use.
    /// - Throws: `Failure`: disk when a file cannot be written, unavailable when supervisord does not start.
    init(_ pipeline: LocalPipeline) throws(Failure) {
        (self.pipeline, folder) = (pipeline, pipeline.streamsFolder)
        try Self.write(pipeline, folder)
        var command = ChildCommand(Self.program, ["-c", "\(folder)/supervisord.conf"])
        command.removeSettings()
        // It ends the streams before itself.
        command.deathSignal = .quit
        supervisord = try ChildProcess(command)
        let deadline = ContinuousClock.now + Self.patience
        while !FileManager.default.fileExists(atPath: socket) {
            guard supervisord.exit == nil, ContinuousClock.now < deadline else {
                throw Failure(.unavailable, "supervisord does not start: \(log)")
            }
            _ = supervisord.wait(timeout: .milliseconds(50))
        }
    }

    deinit { stop() }

    private var socket: String { "\(folder)/supervisor.sock" }
    private var log: String { (try? readTextFile("\(folder)/supervisord.log")) ?? "" }

    /// Runs a subcommand of `tweet-producer streams` to its end.
    ///
    /// - Parameter arguments: the subcommand and its flags.
    /// - Returns: what it wrote.
    /// - Throws: `Failure` with that, when it ends with another status than 0.
    func run(_ arguments: [String]) throws(Failure) -> String {
        let flags = [
            "--file", "\(folder)/streams.yaml", "--dir", "\(folder)/settings", "--supervisor", "supervisord",
            "--supervisor-socket", socket, "--supervisor-conf-dir", "\(folder)/conf.d", "--supervisor-log-dir",
            "\(folder)/log", "--supervisor-user", "root",
        ]
        return try pipeline.run(.producer, ["streams"] + arguments + flags)
    }

    /// The process of each stream that reads X; one that does not read has none.
    var connected: [String: Int] {
        var found: [String: Int] = [:]
        for name in Self.names {
            guard let text = try? readTextFile("\(pipeline.journalFolder)/\(name)/stream.json"),
                text.contains("\"state\":\"connected\"")
            else { continue }
            let digits = text.split(separator: "\"process\":").last?.prefix { $0.isNumber }
            found[name] = digits.flatMap { Int($0) }
        }
        return found
    }

    /// Whether both streams read X.
    var isConnected: Bool { connected.count == Self.names.count }

    /// Ends supervisord, which ends the streams: they publish what they have journalled first.
    func stop() { supervisord.terminate(grace: .seconds(60)) }

    // MARK: Files

    private static func write(_ pipeline: LocalPipeline, _ folder: String) throws(Failure) {
        let files = [
            ("streams.yaml", declarations(pipeline)), ("supervisord.conf", configuration(folder)),
            ("token", (pipeline.environment["X_BEARER_TOKEN"] ?? "") + "\n"),
        ]
        do {
            try FileManager.default.createDirectory(atPath: folder + "/conf.d", withIntermediateDirectories: true)
            for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)")) }
        } catch { throw Failure(.disk, "the files of supervised streams: \(error)") }
    }

    private static func declarations(_ pipeline: LocalPipeline) -> String {
        """
        defaults:
          x_url: '\(pipeline.simulator.url)'
          x_plan: enterprise            # each kind of stream has a connection of its own
          x_lock_dir: '\(pipeline.environment["X_LOCK_DIR"] ?? "")'
          kafka_bootstrap_servers: '\(pipeline.bootstrapServers)'
          kafka_topic: '\(pipeline.topic)'
          journal_dir: '\(pipeline.journalFolder)'
        streams:
          - name: default
            token_file: token
          - name: sample
            kind: sample
            token_file: token

        """
    }

    private static func configuration(_ folder: String) -> String {
        """
        [unix_http_server]
        file=\(folder)/supervisor.sock
        chmod=0700
        [supervisord]
        nodaemon=true
        logfile=\(folder)/supervisord.log
        pidfile=\(folder)/supervisord.pid
        childlogdir=\(folder)
        [rpcinterface:supervisor]
        supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
        [include]
        files = \(folder)/conf.d/*.conf

        """
    }
}
