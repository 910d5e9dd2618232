import Core
import Foundation
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

/// How many users three pollers serve; a measurement of TIMELINES_SCALE minutes, 3 at least.
@Suite("Timelines: many users", .serialized, .ownThreads, .timeLimit(.minutes(30)))
struct TimelineScaleTests {
    private static let minutes = ProcessInfo.processInfo.environment["TIMELINES_SCALE"].flatMap { Int($0) }

    @Test(
        "1,000 users at 60 s with three pollers: each within two intervals, in little memory, on few connections",
        .enabled(if: minutes != nil, "TIMELINES_SCALE is not set"))
    func aThousandUsers() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            let accounts: ClosedRange<Int64> = 1...1000
            run.environment["TIMELINE_INTERVAL"] = "60s"
            run.environment["TIMELINE_MAX_INTERVAL"] = "60s"
            try run.add(accounts)
            for account in accounts { x.post(20, to: account, age: .seconds(600)) }
            let pollers = ["a", "b", "c"]
            for poller in pollers { try run.startPoller(poller) }
            #expect(run.waitForFirstPolls(accounts), "\(run.logs)")
            x.forgetCalls()
            x.setUserDelay(.milliseconds(100))
            let port = try #require(x.url.split(separator: ":").last.flatMap { Int($0) })
            var connections = 0
            for _ in 0..<max(Self.minutes ?? 3, 3) * 6 {
                for account in accounts where account % 10 == 0 { x.post(3, to: account, age: .seconds(10)) }
                endure(.seconds(10))
                connections = max(connections, try Self.connections(to: port))
            }
            let record = x.userRecord
            let longest = accounts.map { record.longestPauses[$0] ?? .seconds(86_400) }.max() ?? .zero
            let uses = try pollers.map { try Self.use(of: run.processID(of: $0)) }
            print("longest pause \(longest.short), \(connections) connections to X, pollers:", uses)
            #expect(longest <= .seconds(120) && record.overlapping == 0)
            #expect(connections <= 12 && uses.allSatisfy { $0.megabytes <= 128 })
        }
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
