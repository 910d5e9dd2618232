import Core
import Foundation
import Sandbox
import TestSupport

/// Debian's Prometheus with a configuration of a test.
package struct PrometheusServer: Sendable {
    package static let program = "/usr/bin/prometheus"
    package static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    /// What Prometheus's API answers (prometheus.io, "HTTP API").
    package struct Answer<Content: Decodable>: Decodable {
        package let status: String
        package let data: Content?
        package let error: String?
    }

    /// The result of a query.
    package struct Result: Decodable {
        package struct Series: Decodable { package let metric: [String: String] }
        package let result: [Series]
    }

    /// One of the addresses that it scrapes.
    package struct Target: Decodable {
        package let health: String
        package let labels: [String: String]
    }

    private struct Targets: Decodable {
        let activeTargets: [Target]
    }

    /// A rule, and what it has found.
    package struct Rule: Decodable {
        package struct Alert: Decodable {
            package let state: String
            package let labels: [String: String]
            package let annotations: [String: String]
        }
        package let name: String
        package let health: String
        package let lastError: String?
        /// Nil for recording rules.
        package let state: String?
        package let alerts: [Alert]?
    }

    private struct Rules: Decodable {
        struct Group: Decodable { let rules: [Rule] }
        let groups: [Group]
    }

    private let process: ChildProcess
    private let address: String

    /// Starts it.
    ///
    /// - Parameter folder: has its configuration, `prometheus.yml`, and gets its data and its log.
    /// - Throws: `Failure` when it cannot be started.
    package init(_ folder: TemporaryFolder) throws {
        address = "127.0.0.1:\(try freePort())"
        var command = ChildCommand(
            Self.program,
            [
                "--config.file=\(folder.path)/prometheus.yml", "--storage.tsdb.path=\(folder.path)/data",
                "--web.listen-address=\(address)", "--log.level=warn",
            ])
        command.output = .file(folder.path + "/prometheus.log")
        process = try ChildProcess(command)
    }

    package func kill() { process.kill() }

    /// Asks the API.
    ///
    /// - Parameters:
    ///   - path: below `/api/v1/`.
    ///   - arguments: of curl.
    ///   - type: of the data.
    /// - Returns: the answer; nil while it does not answer.
    /// - Throws: when curl cannot be run.
    package func get<Content: Decodable>(
        _ path: String, _ arguments: [String] = [], as type: Content.Type
    ) async throws -> Answer<Content>? {
        let command = ChildCommand(
            "/usr/bin/curl", ["-s", "-m", "10", "-G"] + arguments + ["http://\(address)/api/v1/\(path)"])
        let output = try await blocking { try ChildProcess.run(command).output }
        return try? JSONDecoder().decode(Answer<Content>.self, from: Data(output.utf8))
    }

    /// Evaluates an expression now.
    package func query(_ expression: String) async throws -> Answer<Result>? {
        try await get("query", ["--data-urlencode", "query=\(expression)"], as: Result.self)
    }

    /// What it scrapes.
    package func targets() async throws -> [Target] {
        try await get("targets", as: Targets.self)?.data?.activeTargets ?? []
    }

    /// The rules; none while it does not answer.
    package func rules() async throws -> [Rule] {
        try await get("rules", as: Rules.self)?.data?.groups.flatMap(\.rules) ?? []
    }
}
