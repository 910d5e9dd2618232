import Core
import FoundationEssentials
import Synchronization

/// Processes of `tweet-timelines` beside a pipeline.
final class TimelinePollers: Sendable {
    static let names = ["a", "b"]

    private let pipeline: LocalPipeline
    private let folder: String
    private let processes = Mutex<[String: ChildProcess]>([:])

    /// Makes a key for the tokens.
    ///
    /// - Parameter pipeline: whose simulator, Kafka and PostgreSQL the pollers use.
    /// - Throws: `Failure` (disk) when the key cannot be written.
    init(_ pipeline: LocalPipeline) throws(Failure) {
        (self.pipeline, folder) = (pipeline, pipeline.timelinesFolder)
        let digits = (0..<64).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data(digits.utf8).write(to: URL(filePath: key))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
        } catch { throw Failure(.disk, "the key of the tokens: \(error)") }
    }

    deinit { kill() }

    private var key: String { "\(folder)/timelines.key" }
    private func logFile(_ name: String) -> String { "\(folder)/\(name).log" }

    private func command(_ name: String, _ arguments: [String]) throws(Failure) -> ChildCommand {
        var command = ChildCommand(try siblingExecutable("tweet-timelines"), arguments)
        command.removeSettings()
        command.environment.merge(pipeline.environment) { $1 }
        command.environment.merge([
            "JOURNAL_DIR": "\(folder)/\(name)", "X_LOGIN_URL": pipeline.simulator.url,
            "X_CLIENT_ID": XSimulator.clientID, "TIMELINE_KEY_FILE": key, "TIMELINE_INTERVAL": "1s",
            "TIMELINE_MAX_INTERVAL": "2s", "TIMELINE_KEEP": "all", "LISTEN": "off", "HEARTBEAT": "off",
        ]) { $1 }
        return command
    }

    /// Starts a poller.
    func start(_ name: String) throws(Failure) {
        var command = try command(name, ["run"])
        command.output = .file(logFile(name))
        let process = try ChildProcess(command)
        processes.withLock { $0[name] = process }
    }

    /// Runs a subcommand to its end.
    ///
    /// - Parameter arguments: the subcommand and its flags.
    /// - Returns: what it wrote.
    /// - Throws: `Failure` with that, when it ends with another status than 0.
    func run(_ arguments: [String]) throws(Failure) -> String {
        let (exit, output) = try ChildProcess.run(try command("a", arguments))
        guard exit == .status(0) else {
            throw Failure(.unavailable, "tweet-timelines \(arguments.joined(separator: " ")): \(exit): \(output)")
        }
        return output
    }

    /// Kills a poller by SIGKILL; nil: all of them.
    func kill(_ name: String? = nil) {
        for each in name.map({ [$0] }) ?? Self.names { processes.withLock { $0.removeValue(forKey: each) }?.kill() }
    }

    /// The last lines that they have logged.
    var log: String {
        Self.names.map { name in
            let end = ((try? readTextFile(logFile(name))) ?? "").split(separator: "\n").suffix(15).joined(
                separator: "\n")
            return "── the log of tweet-timelines \(name) ends:\n\(end)"
        }.joined(separator: "\n")
    }
}
