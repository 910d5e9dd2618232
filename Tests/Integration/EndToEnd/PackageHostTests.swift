import Foundation
import Sandbox
import TestSupport
import Testing

/// The Debian package on a host with a real systemd, in namespaces of its own, with the programs of this build.
@Suite(.ownThreads, .serialized, .timeLimit(.minutes(10))) struct PackageHostTests {
    private static let script = repository.appending(path: "scripts/package-host.sh").path
    /// Booting one is the only way to know: it needs root, systemd, namespaces and a cgroup2 that can be written.
    private static let isPossible = (try? ChildProcess.run(ChildCommand(script, ["--check"])))?.exit == .status(0)

    @Test(.enabled(if: isPossible, "no systemd can be booted here: scripts/package-host.sh --check"))
    func f100InstallUpgradeRemoveAndPurgeKeepSettingsAndJournal() async throws {
        let programs = URL(filePath: try siblingExecutable("tweet-producer")).deletingLastPathComponent().path
        let (exit, output) = try await blocking {
            try ChildProcess.run(ChildCommand(Self.script, ["--here", programs]))
        }
        #expect(exit == .status(0), "\(output)")
        #expect(output.hasSuffix("package-host: ok\n"))
    }
}
