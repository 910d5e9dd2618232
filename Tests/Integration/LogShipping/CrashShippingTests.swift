import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import LogShipping

/// The log of real processes that end in every way (docs/logs.md, "When the service crashes").
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct CrashShippingTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private var spool: String { folder.path + "/spool" }

    /// A producer that finds neither X nor Kafka, and logs that.
    private func command(_ arguments: [String], receiver: String, _ more: [String: String] = [:]) -> ChildCommand {
        let programs = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        var command = ChildCommand(programs.appending(path: "tweet-producer").path, arguments)
        command.environment = [
            "X_URL": "http://127.0.0.1:1", "X_BEARER_TOKEN": "crash-test-token", "X_LOCK_DIR": folder.path,
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "JOURNAL_DIR": folder.path + "/journal", "LISTEN": "off",
            "LOG_HTTP_URL": receiver, "LOG_HTTP_SPOOL": spool, "LOG_HTTP_PROXY": "none", "DRAIN": "1s",
            // Reading the symbols takes longer than all else here.
            "SWIFT_BACKTRACE": "enable=no",
        ]
        for (name, value) in more { command.environment[name] = value }
        command.output = .file(folder.path + "/log")
        return command
    }

    private var log: String { (try? readTextFile(folder.path + "/log")) ?? "" }

    /// Runs until X was found unreachable, and ends with a signal; nothing listens where the log goes.
    private func runAndDie(of signal: Int32) throws {
        let child = try ChildProcess(command(["run"], receiver: LogReceiver.nowhere))
        #expect(eventually { log.contains("cannot read the stream") })
        child.send(signal)
        #expect(child.wait() == .signal(signal))
    }

    private static let crashed = "the previous run of the service has crashed"

    @Test("f98: killed: the next start ships what was logged, then that there was a crash, then its own, each once")
    func f98AKilledRunIsShippedByTheNextStart() throws {
        try runAndDie(of: SIGKILL)
        let logged = log.split(separator: "\n").map(String.init)
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        let child = try ChildProcess(command(["run"], receiver: receiver.url))
        #expect(
            eventually {
                let place = receiver.events.firstIndex { $0.message == Self.crashed } ?? .max
                return receiver.events.dropFirst(place).contains { $0.message == "cannot read the stream" }
            })
        #expect(child.terminate() == .status(0))
        let messages = receiver.events.map(\.message)
        let place = try #require(messages.firstIndex(of: Self.crashed))
        // Threads log side by side: the order of standard error may differ, and the last line may be missing there.
        var before = Array(messages[..<place])
        for message in logged.compactMap({ ReceivedEvent.all(in: shipped($0)).first?.message }) {
            let found = before.firstIndex(of: message)
            #expect(found != nil, "\(message)")
            if let found { before.remove(at: found) }
        }
        #expect(before.count <= 2, "\(before)")
        #expect(messages[(place + 1)...].contains("cannot read the stream"))
        #expect(messages.count { $0 == Self.crashed } == 1)
        #expect(receiver.events.allSatisfy { $0.service == "tweet-producer" })
        let count = receiver.events.count
        // A clean end: nothing is left, and no crash is reported.
        let next = try ChildProcess(command(["run"], receiver: receiver.url))
        #expect(eventually { receiver.events.dropFirst(count).contains { $0.message == "cannot read the stream" } })
        #expect(next.terminate() == .status(0))
        #expect(!receiver.events.dropFirst(count).contains { $0.message == Self.crashed })
    }

    /// A line of standard error as an event of json-lines, for its message; own messages of shipping are not shipped.
    private func shipped(_ line: String) -> String {
        line.contains("\"logger\":\"log-shipping\"")
            ? "" : line.replacing("{\"time\"", with: "{\"service\":\"\",\"time\"")
    }

    @Test("f98: a trap: `logs ship` sends what was logged and what systemd knows of the end, once")
    func f98ATrapIsShippedAtOnceBySystemd() throws {
        try runAndDie(of: SIGILL)
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        let environment = ["SERVICE_RESULT": "core-dump", "EXIT_CODE": "dumped", "EXIT_STATUS": "ILL"]
        let ship = command(["logs", "ship"], receiver: receiver.url, environment)
        let (exit, output) = try ChildProcess.run(ship)
        #expect(exit == .status(0), "\(output)")
        let events = receiver.events
        #expect(output.contains("\(events.count) log events shipped, 0 rejected, 0 left"), "\(output)")
        #expect(events.contains { $0.message == "cannot read the stream" })
        #expect(events.last?.message == Self.crashed && events.last?.serviceResult == "core-dump")
        let (again, rest) = try ChildProcess.run(ship)
        #expect(again == .status(0) && rest.contains("0 log events shipped"), "\(rest)")
        #expect(receiver.events.count == events.count)
    }

    @Test func shippingByHandSaysWhatItCannotDo() throws {
        try runAndDie(of: SIGKILL)
        let (exit, output) = try ChildProcess.run(command(["logs", "ship"], receiver: LogReceiver.nowhere))
        #expect(exit == .status(69) && output.contains(spool) && output.contains("stay in"), "\(output)")
        let (unset, text) = try ChildProcess.run(
            command(["logs", "ship"], receiver: LogReceiver.nowhere, ["LOG_HTTP_SPOOL": ""]))
        #expect(unset == .status(78) && text.contains("LOG_HTTP_SPOOL"), "\(text)")
        let child = try ChildProcess(command(["run"], receiver: LogReceiver.nowhere))
        #expect(eventually { FileManager.default.fileExists(atPath: spool + "/running") })
        let (busy, why) = try ChildProcess.run(command(["logs", "ship"], receiver: LogReceiver.nowhere))
        #expect(busy == .status(75) && why.contains("a running service uses"), "\(why)")
        _ = child.kill()
    }

    @Test("f98: an error that ends the program is sent at once, before all else, without a spool, too")
    func f98AnErrorThatReachesMainIsSentAtOnce() throws {
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        let wrong = ["LOG_HTTP_SPOOL": "", "BATCH_SIZE": "none", "X_BEARER_TOKEN": "crash-test-token"]
        let (exit, output) = try ChildProcess.run(command(["run"], receiver: receiver.url, wrong))
        #expect(exit == .status(78) && output.contains("BATCH_SIZE"), "\(output)")
        let first = try #require(receiver.events.first)
        #expect(first.message == "the service ends with an error" && first.level == "critical")
        #expect(first.error?.contains("BATCH_SIZE") == true)
        #expect(receiver.server.requests.allSatisfy { !$0.body.contains("crash-test-token") })
    }

    @Test("f98: an end by SIGTERM with a receiver that is down keeps the events, and reports no crash")
    func f98AnEndKeepsEvents() throws {
        let child = try ChildProcess(command(["run"], receiver: LogReceiver.nowhere))
        #expect(eventually { log.contains("cannot read the stream") })
        #expect(child.terminate(grace: .seconds(60)) == .status(0))
        #expect(log.contains("log events wait in LOG_HTTP_SPOOL for the next start"))
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        let (exit, _) = try ChildProcess.run(command(["logs", "ship"], receiver: receiver.url))
        #expect(exit == .status(0) && receiver.events.contains { $0.message == "cannot read the stream" })
        #expect(!receiver.events.contains { $0.message == Self.crashed })
    }
}
