import Core
import Foundation
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

/// How many users three pollers serve. With TIMELINES_SCALE, a number of minutes, 1,000 users at 60 s; without it 100 at 6 s, for
/// two intervals.
@Suite("Timelines: many users", .serialized, .ownThreads, .timeLimit(.minutes(30)))
struct TimelineScaleTests {
    private static let minutes = ProcessInfo.processInfo.environment["TIMELINES_SCALE"].flatMap { Int($0) }
    private static let interval = Duration.seconds(minutes == nil ? 6 : 60)
    private static let accounts: ClosedRange<Int64> = 1...(minutes == nil ? 100 : 1000)
    private static let pollers = ["a", "b", "c"]

    @Test("three pollers reach every user within two intervals, in little memory, on few connections")
    func manyUsers() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            run.environment["TIMELINE_INTERVAL"] = "\(Self.interval.milliseconds)ms"
            run.environment["TIMELINE_MAX_INTERVAL"] = "\(Self.interval.milliseconds)ms"
            try run.add(Self.accounts)
            for account in Self.accounts { x.post(20, to: account, age: .seconds(600)) }
            for poller in Self.pollers { try run.startPoller(poller) }
            #expect(run.waitForFirstPolls(Self.accounts), "\(run.logs)")
            x.forgetCalls()
            x.setUserDelay(.milliseconds(100))
            let before = try Self.pollers.map { try Self.use(of: run.processID(of: $0)).seconds }
            let length = Self.minutes.map { Duration.seconds(60 * max($0, 3)) } ?? Self.interval * 2
            let connections = try Self.post(for: length, run)
            let record = x.userRecord
            let now = x.clock.now
            let pauses = Self.accounts.map { account in
                let last = record.lastCalls[account].map { Duration.milliseconds(now.milliseconds - $0.milliseconds) }
                return max(record.longestPauses[account] ?? .zero, last ?? .seconds(86_400))
            }
            let uses = try Self.pollers.map { try Self.use(of: run.processID(of: $0)) }
            let calls = record.calls.values.reduce(0, +)
            let processors = zip(uses, before).map { ($0.seconds - $1) / (length / .seconds(1)) }
            print(
                "\(calls) calls, longest pause \(pauses.max()?.short ?? ""), \(connections) connections to X, memory"
                    + " \(uses.map(\.megabytes)) MB, processors \(processors.map { ($0 * 1000).rounded() / 1000 })")
            #expect(pauses.allSatisfy { $0 <= Self.interval * 2 } && record.overlapping == 0)
            #expect((1...12).contains(connections) && uses.allSatisfy { $0.megabytes <= 128 })
        }
    }

    /// New posts for every tenth account; returns the most connections to X that were open at a time.
    private static func post(for length: Duration, _ run: TimelinesRun) throws -> Int {
        let x = run.fixture.simulator
        let port = try #require(x.url.split(separator: ":").last.flatMap { Int($0) })
        let step = interval / 6
        var connections = 0
        for _ in 0..<Int(length / step) {
            for account in accounts where account % 10 == 0 { x.post(3, to: account, age: step) }
            endure(step)
            connections = max(connections, try Self.connections(to: port))
        }
        return connections
    }

    /// CPU seconds, and the most memory, of a process (proc(5)).
    private static func use(of process: Int32) throws -> (seconds: Double, megabytes: Int) {
        let stat = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        let fields = stat.split(separator: ")").last?.split(separator: " ").map(String.init) ?? []
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let peak = status.firstMatch(of: #/VmHWM:\s+(\d+)/#).flatMap { Int($0.1) } ?? 0
        let ticks = [11, 12].compactMap { fields.indices.contains($0) ? Double(fields[$0]) : nil }.reduce(0, +)
        return (ticks / 100, peak / 1024)
    }

    /// Connections that are open to a port of this machine.
    private static func connections(to port: Int) throws -> Int {
        let wanted = ":" + String(port, radix: 16, uppercase: true)
        return try ["/proc/net/tcp", "/proc/net/tcp6"].reduce(0) { count, file in
            // Foundation reads the first 4 KiB of such a file.
            let lines = String(decoding: try readWholeFile(file), as: UTF8.self).split(separator: "\n")
            return count
                + lines.count { line in
                    let fields = line.split(separator: " ")
                    return fields.count > 3 && fields[2].hasSuffix(wanted) && fields[3] == "01"
                }
        }
    }
}
