import Core
import Foundation
import Harness
import Sandbox
import Synchronization
import TestSupport
import Testing

/// Two producers of one stream, as on two hosts: each has a journal and locks of its own.
final class StandbyHosts: Sendable {
    let run: PipelineRun
    private let folder: TemporaryFolder
    private let processes = Mutex<[Int: ChildProcess]>([:])
    /// Settings of single producers beside the common ones.
    private let more: [Int: [String: String]]

    /// When a lease ends whose holder has died: its note has not changed for 10 s.
    static let lease = Duration.seconds(10)
    static let both = 0..<2

    init(_ run: PipelineRun, settings more: [Int: [String: String]] = [:]) throws {
        self.run = run
        self.more = more
        folder = try TemporaryFolder()
    }

    /// Runs `body` with a pipeline whose producers are still to be started; X is not asked for what was missed.
    ///
    /// - Parameters:
    ///   - change: of the simulator.
    ///   - settings: of all services, by environment name.
    ///   - body: the test.
    /// - Throws: what `body` throws, or what could not be started.
    static func with(
        _ change: (inout XSimulator.Configuration) -> Void = { _ in }, settings: [String: String] = ["X_REPAIR": "off"],
        _ body: (StandbyHosts) async throws -> Void
    ) async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 100
        configuration.losesWhileAway = true
        configuration.keepAlive = .milliseconds(300)
        configuration.enforcesRateLimits = false
        change(&configuration)
        try await PipelineRun.alone(configuration, settings: settings) { run in
            run.x.addRules([("pipeline", "standby")])
            try run.startLoader()
            let hosts = try StandbyHosts(run)
            defer { hosts.end() }
            try await body(hosts)
        }
    }

    func journal(_ host: Int) -> String { "\(folder.path)/journal-\(host)" }

    func log(_ host: Int) -> String { (try? readTextFile("\(folder.path)/log-\(host)")) ?? "" }

    var logs: Comment { Comment(rawValue: Self.both.map { "--- host \($0)\n\(log($0).suffix(6000))" }.joined()) }

    func start(_ host: Int) throws {
        let locks = "\(folder.path)/locks-\(host)"
        try FileManager.default.createDirectory(atPath: locks, withIntermediateDirectories: true)
        let own = ["JOURNAL_DIR": journal(host), "X_LOCK_DIR": locks, "STANDBY": "on"].merging(more[host] ?? [:]) { $1 }
        var command = try ChildCommand(
            service: .producer, ["run"], settings: run.pipeline.environment.merging(own) { $1 })
        command.output = .file("\(folder.path)/log-\(host)")
        let process = try ChildProcess(command)
        processes.withLock { $0[host] = process }
    }

    func send(_ signal: Int32, to host: Int) { processes.withLock { $0[host] }?.send(signal) }

    func kill(_ host: Int) { processes.withLock { $0.removeValue(forKey: host) }?.kill() }

    func end() { for host in Self.both { kill(host) } }

    /// What a producer says of itself last.
    func role(_ host: Int) -> String {
        let log = log(host)
        let lines = log.split(separator: "\n").filter {
            $0.contains("this producer is active") || $0.contains("this producer is passive")
        }
        return lines.last.map { $0.contains("this producer is active") ? "active" : "passive" } ?? ""
    }

    /// Starts both, the second one when the first one reads.
    func startBoth() async throws {
        try start(0)
        try await expect("host 0 reads") { run.x.connections.contains { $0.written.count > 20 } }
        try start(1)
        try await expect("host 1 is passive") { role(1) == "passive" }
    }

    func expect(
        _ what: Comment, at location: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
    ) async throws {
        if try await holds(within: .seconds(90), condition) { return }
        Issue.record("\(what)\n\(logs)", sourceLocation: location)
        throw Failure(.unavailable, "\(what)")
    }

    /// Waits until X has opened a connection after the first `count`, and lines come on it.
    func nextConnection(after count: Int) async throws -> StreamConnection {
        try await expect("another producer reads") {
            run.x.connections.count > count && !(run.x.connections.last?.written.isEmpty ?? true)
        }
        return try #require(run.x.connections.last)
    }
}

/// One take-over as X and the ledger saw it.
struct TakeOver {
    let kind: String
    /// When the active producer was killed or stopped.
    let at: Timestamp
    /// When X opened the next connection.
    let connectedAt: Timestamp

    /// From the end of the lease to the connection.
    var seconds: Double {
        Double(connectedAt.milliseconds - at.milliseconds - StandbyHosts.lease.milliseconds) / 1000
    }
}
