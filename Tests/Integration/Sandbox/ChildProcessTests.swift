import Core
import Glibc
import Sandbox
import Testing

@Suite("ChildProcess", .timeLimit(.minutes(4)))
struct ChildProcessTests {
    @Test("a child has no descriptor of ours, no blocked signal, and its own process group")
    func startsFresh() throws {
        let open = try ChildProcess.run(ChildCommand("/bin/ls", ["/proc/self/fd"]))
        // The fourth is the folder that ls reads.
        #expect(open.output == "0\n1\n2\n3\n")
        let status = try ChildProcess.run(ChildCommand("/bin/grep", ["-E", "SigBlk|SigIgn", "/proc/self/status"]))
        for line in status.output.split(separator: "\n") {
            let mask = try #require(line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) })
            // Signals 32 and 33 are glibc's own.
            #expect(mask & 0x7fff_ffff == 0, "\(line)")
        }
        let child = try ChildProcess(ChildCommand("/bin/sleep", ["60"]))
        #expect(getpgid(child.processID) == child.processID)
        #expect(child.kill() == .signal(SIGKILL))
    }

    @Test("exits are told apart, and a missing program is named")
    func exits() throws {
        #expect(
            try ChildProcess.run(ChildCommand("/bin/sh", ["-c", "echo out; echo err >&2; exit 3"])) == (
                .status(3), "out\nerr\n"
            ))
        #expect(throws: Failure.self) { try ChildProcess(ChildCommand("/nonexistent/program")) }
        var deaf = ChildCommand("/bin/sh", ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"])
        deaf.output = .pipe
        let child = try ChildProcess(deaf)
        #expect(child.readLine(timeout: .seconds(90)) == "deaf")
        #expect(child.wait(timeout: .milliseconds(50)) == nil)
        #expect(child.terminate(grace: .milliseconds(300)) == .signal(SIGKILL))
        child.send(SIGTERM)
    }

    @Test("environment variables are added and taken away")
    func environment() throws {
        var command = ChildCommand("/usr/bin/env")
        command.environment = ["SANDBOX_TEST": "yes", "PATH": nil]
        let lines = try ChildProcess.run(command).output.split(separator: "\n")
        #expect(lines.contains("SANDBOX_TEST=yes"))
        #expect(!lines.contains { $0.hasPrefix("PATH=") })
    }

    @Test("a server dies with its sandbox, however that dies")
    func deathSignal() throws {
        var command = ChildCommand(try siblingExecutable("sandbox"), ["postgres"])
        command.output = .pipe
        let sandbox = try ChildProcess(command)
        let line = try #require(sandbox.readLine(timeout: .seconds(90)))
        let url = try #require(line.split(separator: "'").dropFirst().first)
        #expect(
            try ChildProcess.run(ChildCommand("/usr/bin/env", ["psql", "-Xc", "SELECT 1", String(url)])).exit
                == .status(0))
        sandbox.kill()
        while try ChildProcess.run(ChildCommand("/usr/bin/env", ["psql", "-Xc", "SELECT 1", String(url)])).exit
            == .status(0)
        {}
    }
}
