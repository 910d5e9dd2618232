import Core
import Foundation
import Glibc
import ObjectStore
import Sandbox
import TestSupport
import Testing

/// The files below `deploy/` do what their comments say.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct DeployTests {
    private func path(_ name: String) -> String { repository.path + "/deploy/" + name }

    // MARK: Environment files

    /// What a shell makes of a file: `set -a; . FILE`.
    private func byShell(_ file: String) throws -> [String: String] {
        let command = ChildCommand(
            "/usr/bin/env", ["-i", "/bin/sh", "-c", "set -a; . \"$0\"; exec /usr/bin/env -0", file])
        let (exit, output) = try ChildProcess.run(command)
        try #require(exit == .status(0), "\(output)")
        let pairs = output.split(separator: "\0").map {
            $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        }
        return Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0]), $0.count > 1 ? String($0[1]) : "") })
            .filter { !["PWD", "OLDPWD", "_", "SHLVL"].contains($0.key) }
    }

    /// What systemd makes of a file (systemd.exec(5), EnvironmentFile=): white space around a value goes, what is left stands as
    /// it is, except for quotes around parts of it and a backslash before a character.
    private func bySystemd(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for line in text.replacing("\\\n", with: "").split(separator: "\n") {
            let line = line.trimmed
            guard let first = line.first, first != "#", first != ";", let equals = line.firstIndex(of: "=") else {
                continue
            }
            var (value, quote) = ("", Character?.none)
            var rest = Substring(line[line.index(after: equals)...].trimmed)
            while let character = rest.popFirst() {
                switch (character, quote) {
                case ("'", nil), ("\"", nil): quote = character
                case (let mark, let open?) where mark == open: quote = nil
                case ("\\", nil), ("\\", "\""?): value += rest.popFirst().map(String.init) ?? ""
                default: value.append(character)
                }
            }
            result[line[..<equals].trimmed] = value
        }
        return result
    }

    /// What `docker run --env-file` makes of a file: nothing but comments at the beginning of a line is special.
    private func byDocker(_ text: String) -> [String: String] {
        let pairs = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
            .map { $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false) }
        return Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0]), String($0[1])) })
    }

    @Test(arguments: ["producer.env", "loader.env", "timelines.env", "console.env"])
    func systemdShellAndDockerReadTheSame(name: String) throws {
        let text = try readTextFile(path(name))
        let shell = try byShell(path(name))
        #expect(shell.count >= 4)
        #expect(bySystemd(text) == shell)
        #expect(byDocker(text) == shell)
    }

    /// The settings of exactly these files, with the files that they name in a folder of this test.
    private func settings(_ name: String, _ folder: String) throws -> [String: String] {
        try bySystemd(readTextFile(path(name))).mapValues { value in
            value.replacing("/etc/tweet-pipeline", with: folder).replacing("/var/lib/tweet-pipeline", with: folder)
                .replacing("/etc/ssl/rds.pem", with: folder + "/rds.pem")
        }
    }

    @Test(arguments: [("producer.env", LocalPipeline.Service.producer), ("loader.env", .loader)])
    func theServicesStartWithTheExamples(name: String, service: LocalPipeline.Service) throws {
        let folder = try TemporaryFolder()
        for (file, text) in [
            ("x-token", "t\n"), ("kafka.properties", "security.protocol=SSL\n"), ("pgpass", "h:5432:tweets:tweets:p\n"),
            ("rds.pem", ""),
        ] { try folder.write(text, to: file) }
        var settings = try settings(name, folder.path)
        (settings["X_LOCK_DIR"], settings["LOG_FORMAT"], settings["X_URL"]) = (
            folder.path, "json", "http://127.0.0.1:1"
        )
        // No name of the examples can be looked up, so both wait for Kafka, which says that they accepted every setting.
        var command = try ChildCommand(service: service, ["run", "--drain", "100ms"], settings: settings)
        let log = folder.path + "/log"
        command.output = .file(log)
        let process = try ChildProcess(command)
        _ = eventually(within: .seconds(120)) {
            process.exit != nil || (try? readTextFile(log))?.contains("\"message\":") == true
        }
        let exit = process.exit
        process.terminate(grace: .seconds(60))
        #expect(exit == nil, "\((try? readTextFile(log)) ?? "")")
    }

    // MARK: Kubernetes

    @Test(arguments: [("producer", 9464), ("loader", 9465), ("timelines", 9466)])
    func kubernetesSetsWhatTheServicesKnow(name: String, port: Int) throws {
        let text = try readTextFile(path("kubernetes/tweet-\(name).yaml"))
        let names = text.matches(of: #/- \{ name: ([A-Z_]+), /#).map { String($0.1) }
        #expect(names.count >= 6 && Set(names).count == names.count)
        let documented = try readTextFile(repository.path + "/docs/settings.md")
        for name in names where name != "PGPASSWORD" { #expect(documented.contains("| `\(name)` |"), "\(name)") }
        #expect(text.contains("args: [\"tweet-\(name)\", \"run\"]") && text.contains("value: \"0.0.0.0:\(port)\""))
        #expect(text.matches(of: try Regex("httpGet: \\{ path: /(livez|readyz), port: \(port) \\}")).count == 3)
        #expect(text.contains("terminationGracePeriodSeconds: 45"))
    }

    // MARK: Supervisors

    @Test(arguments: ["tweet-producer", "tweet-loader", "tweet-producer@", "tweet-timelines", "tweet-console"])
    func systemdEndsOnUsageCredentialsAndSettings(name: String) throws {
        let unit = try readTextFile(path("systemd/\(name).service"))
        #expect(unit.contains("\nRestartPreventExitStatus=64 77 78\n"))
        #expect(unit.contains("\nRestart=always\n"))
    }

    /// systemd itself reads every unit without a complaint; programs and settings files are where this machine has them.
    @Test func systemdAcceptsEveryUnit() throws {
        let folder = try TemporaryFolder()
        let names = try FileManager.default.contentsOfDirectory(atPath: path("systemd"))
        #expect(names.count == 6)
        for name in names {
            let text = try readTextFile(path("systemd/" + name)).replacing("/usr/local/bin/tweet-", with: "/bin/true ")
            try folder.write(text, to: name)
        }
        let units = names.map { folder.path + "/" + $0.replacing("@.", with: "@my-stream.") }
        let (exit, output) = try ChildProcess.run(
            ChildCommand("/usr/bin/systemd-analyze", ["verify", "--man=no"] + units))
        #expect(exit == .status(0), "\(output)")
        #expect(!output.contains(folder.path), "\(output)")
    }

    /// The file that is shipped, with `service` of a folder as the producer, and what supervisord needs for itself.
    private func supervisord(_ folder: String) throws -> String {
        var programs = try readTextFile(path("supervisor/tweet-pipeline.conf"))
        // Shorter, and as this user in this folder; everything else stays as it is.
        for (old, new) in [
            ("sleep 5", "sleep 0.2"), ("/usr/local/bin/tweet-producer", folder + "/service"),
            ("/usr/local/bin/tweet-loader", "/bin/false"), ("user=tweet-pipeline\n", ""),
            ("directory=/var/lib/tweet-pipeline", "directory=\(folder)"), ("/etc/tweet-pipeline", folder),
            ("/var/log/tweet-pipeline", folder),
        ] {
            #expect(programs.contains(old), "\(old)")
            programs = programs.replacing(old, with: new)
        }
        let head = """
            [supervisord]
            nodaemon=true
            logfile=\(folder)/supervisord.log
            pidfile=\(folder)/supervisord.pid
            childlogdir=\(folder)

            """
        return head + programs
    }

    /// Debian's own supervisord with the file that is shipped: 64, 77 and 78 end a service; any other end restarts it.
    @Test(arguments: [64, 77, 78, 0, 69, 75])
    func supervisordEndsOnUsageCredentialsAndSettings(status: Int) throws {
        let folder = try TemporaryFolder()
        try folder.write("#!/bin/sh\necho start >>\(folder.path)/starts\nexit \(status)\n", to: "service")
        unsafe chmod(folder.path + "/service", 0o755)
        for file in ["producer.env", "loader.env"] { try folder.write("", to: file) }
        try folder.write(try supervisord(folder.path), to: "supervisord.conf")
        let command = ChildCommand("/usr/bin/supervisord", ["-c", folder.path + "/supervisord.conf"])
        let supervisord = try ChildProcess(command)
        defer { supervisord.terminate() }
        func log() -> String { (try? readTextFile(folder.path + "/supervisord.log")) ?? "" }
        func starts() -> Int { (try? readTextFile(folder.path + "/starts"))?.split(separator: "\n").count ?? 0 }
        let isFinal = [64, 77, 78].contains(status)
        // The other program ends with 1 and starts again meanwhile, which shows that supervisord has had the time for it.
        func others() -> Int { log().split(separator: "\n").count { $0.contains("spawned: 'tweet-loader'") } }
        _ = eventually { others() >= 6 && (isFinal || starts() >= 3) }
        #expect(others() >= 6, "\(log())")
        #expect(isFinal ? starts() == 1 : starts() >= 3, "\(starts()) starts\n\(log())")
        if isFinal { #expect(log().contains("exited: tweet-producer (exit status \(status); expected)"), "\(log())") }
    }
}
