import Core
import Foundation
import Harness
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

/// Pollers and a loader as processes of their own, with the simulator of X, a broker and a database.
final class TimelinesRun {
    let fixture: TimelinesFixture
    private let broker: Broker
    private var processes: [String: ChildProcess] = [:]
    private var names: Set<String> = []
    var environment: [String: String?] = [
        "TIMELINE_INTERVAL": "1s", "TIMELINE_MAX_INTERVAL": "1s", "LISTEN": "off",
        "HEARTBEAT": "off",
    ]

    init(_ fixture: TimelinesFixture, partitions: Int = 4) throws {
        self.fixture = fixture
        broker = try Broker(partitions: partitions)
    }

    deinit {
        for process in processes.values { process.kill() }
        broker.stop()
    }

    /// Runs a test that blocks, and prints the logs of all processes when it fails with an error.
    static func with(_ body: @escaping @Sendable (TimelinesRun) throws -> Void) async throws {
        try await TimelinesFixture.with { fixture in
            let run = try TimelinesRun(fixture)
            do { try body(run) } catch {
                print(run.logs)
                throw error
            }
        }
    }

    // MARK: Processes

    /// Where a process logs to.
    func log(_ name: String) -> String { fixture.folder.path + "/\(name).log" }

    /// Where a process has its journals.
    func journal(_ name: String) -> String { fixture.folder.path + "/journal-\(name)" }

    /// What all processes have logged.
    var logs: String {
        names.map { (try? String(contentsOfFile: log($0), encoding: .utf8)) ?? "" }.joined()
    }

    /// The environment of a process.
    func environment(of name: String) -> [String: String?] {
        fixture.environment.merging(environment) { $1 }.merging([
            "KAFKA_BOOTSTRAP_SERVERS": broker.servers, "KAFKA_TOPIC": broker.topic, "JOURNAL_DIR": journal(name),
        ]) { $1 }
    }

    private func start(_ program: String, _ name: String, _ arguments: [String] = []) throws {
        var command = ChildCommand(try siblingExecutable(program), ["run"] + arguments)
        command.environment = environment(of: name)
        command.output = .file(log(name))
        command.folder = fixture.folder.path
        processes[name] = try ChildProcess(command)
        names.insert(name)
    }

    func startPoller(_ name: String = "poller") throws { try start("tweet-timelines", name) }

    func startLoader() throws {
        let session = ["-X", "session.timeout.ms=\(broker.sessionTimeout)", "-X", "heartbeat.interval.ms=400"]
        try start("tweet-loader", "loader", ["--group", broker.topic] + session)
    }

    /// Runs a command of the loader to its end.
    func loader(_ arguments: [String]) throws -> (exit: ChildProcess.Exit, output: String) {
        var command = ChildCommand(try siblingExecutable("tweet-loader"), arguments)
        command.environment = environment(of: "loader").merging(["KAFKA_GROUP": broker.topic]) { $1 }
        command.folder = fixture.folder.path
        return try ChildProcess.run(command)
    }

    /// The id of a process that runs.
    func processID(of name: String) -> Int32 { processes[name]?.processID ?? 0 }

    /// The limits of a process, as Linux shows them (proc(5)).
    func limits(of name: String) throws -> String {
        try String(contentsOfFile: "/proc/\(processID(of: name))/limits", encoding: .utf8)
    }

    func kill(_ name: String) { processes.removeValue(forKey: name)?.kill() }

    func stop(_ name: String) -> ChildProcess.Exit? {
        processes.removeValue(forKey: name)?.terminate(grace: .seconds(60))
    }

    // MARK: Accounts

    /// Logs users in and adds their accounts; they have more calls than at X, because intervals are short.
    func add(_ accounts: ClosedRange<Int64>) throws {
        let lines = accounts.map { account -> String in
            fixture.simulator.setUser(account) { $0.callLimit = 1_000_000 }
            let pair = fixture.simulator.logIn(account)
            return "SELECT add_x_token(\(account), '\(pair.access)', '\(pair.refresh)', now() + interval '2 hours')"
        }
        try fixture.connect().execute(lines.joined(separator: ";"), doing: "add accounts")
    }

    /// The entries of an account.
    func entries(of account: Int64, kind: String = "home") throws -> Set<Int64> {
        let rows = try fixture.query(
            "SELECT tweet_id FROM timeline_entries WHERE user_id = $1 AND kind = $2", ["\(account)", kind])
        return Set(rows.compactMap { $0[0].flatMap { Int64($0) } })
    }

    /// Posts that were offered to an account, and are neither stored nor in a declared gap.
    func missing(of account: Int64, kind: String = "home") throws -> Set<Int64> {
        let gaps = try fixture.query(
            "SELECT from_id, to_id FROM timeline_gaps WHERE user_id = $1 AND kind = $2", ["\(account)", kind]
        ).map { row in (from: Int64(row[0] ?? "") ?? .max, to: Int64(row[1] ?? "") ?? 0) }
        return try fixture.simulator.offered(to: account, kind: kind).subtracting(entries(of: account, kind: kind))
            .filter { id in !gaps.contains { $0.from < id && id < $0.to } }
    }

    /// Entries of an account that were never offered to it.
    func surplus(of account: Int64) throws -> Set<Int64> {
        try entries(of: account).subtracting(fixture.simulator.offered(to: account))
    }

    /// The state of an account.
    func state(of account: Int64) throws -> String {
        try fixture.query("SELECT state FROM x_accounts WHERE user_id = $1", ["\(account)"]).first?[0] ?? "none"
    }

    /// Waits until an account was polled again.
    func waitForPoll(of account: Int64, beyond calls: Int? = nil) -> Bool {
        let before = calls ?? fixture.simulator.userRecord.calls[account, default: 0]
        return eventually { fixture.simulator.userRecord.calls[account, default: 0] > before + 1 }
    }

    /// Waits until the first page of every account of a range is journalled, and that it was read is stored.
    func waitForFirstPolls(_ accounts: ClosedRange<Int64>) -> Bool {
        let polled = """
            SELECT count(DISTINCT user_id) FROM timelines
            WHERE user_id BETWEEN \(accounts.lowerBound) AND \(accounts.upperBound) AND last_polled_at IS NOT NULL
            """
        return (try? eventually { try fixture.query(polled) == [["\(accounts.count)"]] }) == true
    }

    /// Waits until nothing that was offered is missing.
    func waitUntilComplete(_ accounts: ClosedRange<Int64>) -> Bool {
        (try? eventually(within: .seconds(150)) { try accounts.allSatisfy { try missing(of: $0).isEmpty } }) == true
    }
}
