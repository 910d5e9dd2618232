import Core
import Glibc

/// `sandbox kafka` as a child process, so that killing this process's services, or this process's threads, spares it.
package final class KafkaSandboxProcess: Sendable {
    /// The addresses for `bootstrap.servers`.
    package let bootstrapServers: String
    private let process: ChildProcess

    /// Starts the process and waits for its bootstrap line.
    ///
    /// - Parameter topics: beside `tweets` (12 partitions) and `tweets.events`.
    /// - Throws: `Failure` (unavailable) when the executable is missing or says nothing within 10 s.
    package init(topics: [String: Int] = [:]) throws(Failure) {
        let options = topics.flatMap { ["--topic", "\($0.key):\($0.value)"] }
        var command = ChildCommand(try siblingExecutable("sandbox"), ["kafka"] + options)
        command.output = .pipe
        command.errors = .inherit
        process = try ChildProcess(command)
        guard let line = process.readLine(timeout: .seconds(10)), let servers = line.split(separator: "=").last else {
            process.kill()
            throw Failure(.unavailable, "sandbox kafka did not print its bootstrap servers")
        }
        bootstrapServers = servers.trimmingQuotes()
    }

    deinit {
        process.kill()
    }

    /// Whether it runs.
    package var isRunning: Bool { process.exit == nil }

    /// Halts it as SIGSTOP does, or resumes it: a broker that accepts connections and does not answer.
    package func setHalted(_ isHalted: Bool) {
        process.send(isHalted ? SIGSTOP : SIGCONT)
    }

    /// Ends it and deletes its content.
    package func stop() {
        process.send(SIGCONT)
        process.terminate(grace: .seconds(5))
    }
}

extension Substring {
    fileprivate func trimmingQuotes() -> String {
        String(filter { $0 != "'" })
    }
}
