import Foundation
import Sandbox
import Testing

/// The bench measures the services as they are: what they ask X and Kafka beside the lines must not stop it.
@Suite("bench", .timeLimit(.minutes(4)))
struct BenchTests {
    @Test("each part measures something", arguments: ["producer", "start", "loader", "latency", "export"])
    func everyPart(_ part: String) throws {
        let sizes = [
            "--rows", "2000", "--lines", "4000", "--rounds", "1", "--seconds", "2", "--segments", "20", "--writers",
            "1",
            "--shapes", "lean", "--export-rows", "500", "--json",
        ]
        var command = ChildCommand(try siblingExecutable("sandbox"), ["bench", part] + sizes)
        command.output = .pipe
        command.errors = .inherit
        let child = try ChildProcess(command)
        let output = child.readAll()
        #expect(child.wait() == .status(0), "\(output)")
        let report = try JSONDecoder().decode(Report.self, from: Data(output.utf8))
        #expect(report.figures.contains { $0.value.map { $0 > 0 } ?? false }, "\(output)")
    }

    private struct Report: Decodable {
        struct Figure: Decodable { let value: Double? }
        let figures: [Figure]
    }
}
