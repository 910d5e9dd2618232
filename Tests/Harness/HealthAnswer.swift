import Core
import Foundation
import Glibc
package import Operations
import Sandbox
import TestSupport

/// What a service answers at `/healthz`.
package struct HealthAnswer: Sendable {
    /// Of HTTP; 0 without an answer.
    package let status: Int
    package let report: HealthReport?

    /// Asks as a monitor does, with curl(1).
    ///
    /// - Parameter address: host and port.
    /// - Throws: `Failure` when curl cannot be run.
    package init(of address: String) async throws {
        let command = ChildCommand(
            "/usr/bin/curl", ["-s", "-m", "30", "-w", "\n%{http_code}", "http://\(address)/healthz"])
        let output = try await blocking { try ChildProcess.run(command).output }
        let end = output.lastIndex(of: "\n") ?? output.startIndex
        status = Int(output[end...].dropFirst()) ?? 0
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        report = try? decoder.decode(HealthReport.self, from: Data(output[..<end].utf8))
    }

    /// Whether every check is ok, apart from the room that the disk of the tests has left.
    package var isHealthy: Bool {
        status == 200 && report?.checks.allSatisfy { $0.status == .ok || $0.name == "room" } == true
    }

    /// One of the checks.
    package func check(_ name: String) -> HealthCheck? { report?.checks.first { $0.name == name } }

    /// The status of one of the checks.
    package func status(of name: String) -> HealthCheck.Status? { check(name)?.status }
}

/// The postmaster of a sandbox and its children.
///
/// - Parameter postgres: one that runs.
/// - Returns: their ids.
/// - Throws: `Failure` when it does not run.
package func processes(of postgres: PostgresSandbox) throws -> [pid_t] {
    let file = try readTextFile(postgres.path + "/data/postmaster.pid")
    guard let parent = file.split(separator: "\n").first.flatMap({ pid_t($0) }) else {
        throw Failure(.unavailable, "no postmaster")
    }
    let all = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }
    return [parent]
        + all.filter { pid in
            let stat = (try? readTextFile("/proc/\(pid)/stat")) ?? ""
            // proc(5): the name in parentheses, the state, the parent.
            return stat.split(separator: ")").last?.split(separator: " ").dropFirst().first.flatMap { pid_t($0) }
                == parent
        }
}
