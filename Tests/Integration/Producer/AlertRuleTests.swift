import Foundation
import Sandbox
import TestSupport
import Testing

/// The alerts of `deploy/prometheus`, judged by Prometheus's own tool.
@Suite(.timeLimit(.minutes(10))) struct AlertRuleTests {
    private static let promtool = "/usr/bin/promtool"

    @Test(
        "each alert fires once under its fault and at its time, and none in two hours of a quiet X",
        .enabled(
            if: FileManager.default.isExecutableFile(atPath: promtool), "Debian's package prometheus has promtool"),
        arguments: [
            ["check", "rules", "tweet-pipeline.rules.yml"],
            ["test", "rules", "tweet-pipeline.test.yml", "tweet-pipeline.days.test.yml"],
            ["check", "config", "prometheus.yml"],
            // The file of the token is there only in the container.
            ["check", "config", "--syntax-only", "containers.yml"],
        ])
    func promtoolAccepts(arguments: [String]) async throws {
        let folder = repository.appending(path: "deploy/prometheus").path
        let command = ChildCommand(
            "/bin/sh", ["-c", "cd \"$1\" && shift && exec \(Self.promtool) \"$@\"", "sh", folder] + arguments)
        let (exit, output) = try await blocking { try ChildProcess.run(command) }
        #expect(exit == .status(0), "\(output)")
    }
}
