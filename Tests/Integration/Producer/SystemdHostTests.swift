import Foundation
import Sandbox
import TestSupport
import Testing

/// `tweet-producer streams` on a host with a real systemd, in namespaces of its own.
@Suite(.ownThreads, .serialized, .timeLimit(.minutes(5))) struct SystemdHostTests {
    private static let script = repository.appending(path: "scripts/systemd-host.sh").path
    /// Booting one is the only way to know: it needs root, systemd, namespaces and a cgroup2 that can be written.
    private static let isPossible = (try? ChildProcess.run(ChildCommand(script, ["--check"])))?.exit == .status(0)

    @Test(.enabled(if: isPossible, "no systemd can be booted here: scripts/systemd-host.sh --check"))
    func streamsAreAddedChangedStoppedAndRolledBackUnderSystemd() async throws {
        let producer = try siblingExecutable("tweet-producer")
        let (exit, output) = try await blocking { try ChildProcess.run(ChildCommand(Self.script, [producer])) }
        #expect(exit == .status(0), "\(output)")
        #expect(output.hasSuffix("systemd-host: ok\n"))
    }
}
